"""The pages, a module each, with their routes. ``app`` lists them in the order of the menu."""
