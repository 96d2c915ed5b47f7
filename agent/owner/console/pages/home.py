"""The first page: what waits for the owner."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.owner.console.context import Context, endpoint


def home(context: Context) -> Response:
    """The letters that were collected last; collect now if there are none yet."""
    collector = context.console.collector
    overview = collector.overview
    if overview is None or context.field("now"):
        overview = collector.collect(context.keys)
    return context.render("home.html", overview=overview)


def news(context: Context) -> Response:
    """The number of collections so far: a page that shows an earlier one offers to load again."""
    return JSONResponse({"collected": context.console.collector.count})


def job(context: Context) -> Response:
    """The state of a job of this session."""
    found = context.console.jobs.find(context.path("id"), context.session)
    if found is None:
        return JSONResponse({"state": "unknown"}, 404)
    error = None if found.error is None else str(found.error)
    return JSONResponse(
        {
            "state": found.state,
            "done": found.done,
            "total": found.total,
            "said": found.said,
            "error": error,
        }
    )


ROUTES = [
    Route("/", endpoint(home), methods=["GET"]),
    Route("/news", endpoint(news), methods=["GET"]),
    Route("/jobs/{id}", endpoint(job), methods=["GET"]),
]
