"""A recorded clip made ready to leave. The gateway sends what comes out, the owner looks at it."""
