"""Pictures that cameras send their owner beside clips: thumbnails, contact sheets."""
