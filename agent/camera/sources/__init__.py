"""One module a kind of camera, each implementing :class:`agent.camera.source.Source`."""
