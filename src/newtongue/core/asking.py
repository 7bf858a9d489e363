"""Settings of a stage that asks models: who answers, who is asked what, in which words, and how requests are sent."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from newtongue.core.config import FileRef, StageConfig, operational
from newtongue.core.teacher import Routing, Sending, Teacher, check_teachers

FIRST = "teacher"
"""Name of the first teacher in `routing`."""


class AskingConfig(StageConfig):
    """A stage with one teacher or several; beside them, roles whose tasks always go to a teacher of their own."""

    ROLES: ClassVar[tuple[str, ...]] = ()
    """Names of the roles; a role is a type of task, and the name of its teacher."""
    PROTOCOLS: ClassVar[tuple[str, ...]] = ("chat",)
    """What the teachers may speak; roles always chat."""

    teacher: Teacher
    """Who writes."""
    more_teachers: dict[str, Teacher] = Field(default_factory=dict)
    """Other teachers by name, to choose among as `routing` says; `teacher` is called `teacher` there."""
    routing: Routing = Routing.model_validate({})
    """Who is asked what, when there are several teachers."""
    prompt_language: Literal["english", "target"] = "english"
    """Whether prompts are in English or, where they are shipped, in the language wanted."""
    prompts: FileRef | None = None
    """Your own texts for the prompts (YAML, name: text), over the shipped English ones."""
    concurrency: int = operational(8, ge=1)
    """Requests in flight at most."""
    timeout_seconds: float = operational(120.0, gt=0)
    """Time after which a request is tried again, seconds."""
    max_attempts: int = operational(5, ge=1)
    """Attempts per request and run, the first included."""
    shards: int = operational(1, ge=1)
    """Processes that share the requests by their keys, each with a slice of the budget and `concurrency` requests."""
    ray: bool = operational(False)
    """Run the shards as tasks of a Ray cluster (extra `scale`, `RAY_ADDRESS`) instead of processes of this machine."""

    def own_teachers(self) -> dict[str, Teacher]:
        """Return the teachers of the roles that have one."""
        return {role: one for role in self.ROLES if (one := getattr(self, role))}

    def asked(self) -> dict[str, Teacher]:
        """Return everybody who may be asked, by name and role; the teacher stands in for a role that is not given."""
        return {"": self.teacher, **self.more_teachers, **self.own_teachers()}

    def routes(self) -> Routing:
        """Return who is asked what: the roles, and what `routing` says of the rest."""
        chosen = {task: "" if name == FIRST else name for task, name in self.routing.by_task.items()}
        judges = ["" if name == FIRST else name for name in self.routing.judges]
        own = {role: role for role in self.own_teachers()}
        return self.routing.model_copy(update={"by_task": {**chosen, **own}, "judges": judges})

    def sending(self) -> Sending:
        """Return how requests are sent."""
        names = ("concurrency", "timeout_seconds", "max_attempts", "shards", "ray")
        return Sending(**{name: getattr(self, name) for name in names})

    def writers(self) -> list[str]:
        """Return the models that may have written a row, in the recipe's order."""
        judges = self.routes().judges
        names = {"": self.teacher, **self.more_teachers}
        return list(dict.fromkeys(teacher.model for name, teacher in names.items() if name not in judges))

    @model_validator(mode="after")
    def _routed(self) -> Self:
        if taken := {"", FIRST, *self.ROLES} & set(self.more_teachers):
            raise ValueError(f"`more_teachers` cannot be called `{min(taken)}`")
        check_teachers({FIRST: self.teacher, **self.more_teachers}, self.routing)
        return self

    @model_validator(mode="after")
    def _shared(self) -> Self:
        if self.ray and self.shards == 1:
            raise ValueError("`ray` shares nothing among one shard: give `shards`, 2 or more")
        return self

    @model_validator(mode="after")
    def _prompts_once(self) -> Self:
        if self.prompts and self.prompt_language == "target":
            raise ValueError("`prompts` goes over the English texts: leave `prompt_language` out")
        return self

    @model_validator(mode="after")
    def _spoken(self) -> Self:
        roles, judges = self.own_teachers(), self.routes().judges
        for name, one in self.asked().items():
            spoken = ("chat",) if name in roles or name in judges else self.PROTOCOLS
            if one.protocol not in spoken:
                raise ValueError(
                    f"`protocol: {one.protocol}` cannot stand at `{name or FIRST}`: it is asked by prompts"
                )
        return self
