"""The ledgers of the cameras on the owner's computer: fetched in pages, checked at each reading."""
