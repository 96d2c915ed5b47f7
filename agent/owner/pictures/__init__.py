"""Pictures that owners look at: thumbnails, contact sheets, clips that are open in memory."""
