"""A clip made ready for the form of a website, to be uploaded by its owner's hand."""
