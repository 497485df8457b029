"""Layer 4: what a callee hears before it is joined: the script of ``onAnswer``, as far as it is prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from callflow.documents.ncco import prepare_action
from callflow.engine.call import Call
from callflow.engine.sound.legsound import play_to_legs
from callflow.errors import CallflowError, CallGone, NoScript
from callflow.media.messages import Clip, SilenceClip
from callflow.ncco.actions.talk import spoken
from callflow.ncco.application import Webhook
from callflow.ncco.asking import Question, ask
from callflow.ncco.script import Action
from callflow.ncco.session import Session


def whisper(url: str, call: Call, session: Session) -> Callable[[], None]:
    """Who answers next hears the prompts of the script at ``url`` first; call what comes back to end that."""
    application = replace(session.application, fallback=None)

    async def before(leg: str) -> None:
        question = Question("answer", Webhook(url, "GET"), {"uuid": session.uuid})
        try:
            script = await ask(question, call, application)
        except NoScript as error:
            await session.report(f"onAnswer: {error.message}: the callee is joined at once")
            return
        for action in script.actions if script is not None else ():
            clips = await _clips(action, call, session)
            if clips:
                await play_to_legs(call, [leg], clips)

    call.announcing.whispers.append(before)
    return lambda: call.announcing.whispers.remove(before)


async def _clips(action: Action, call: Call, session: Session) -> tuple[Clip, ...]:
    """``talk``, ``stream`` and ``wait`` as sound; anything else is an error event, and nothing."""
    data = prepare_action(action.name, action.data).data
    try:
        if action.name == "talk" and data.get("text"):
            return await spoken(str(data["text"]), data, call)
        if action.name == "stream" and data.get("streamUrl"):
            return await call.clips_for(data["streamUrl"][0])
    except CallGone:
        raise
    except CallflowError as error:
        await session.report(f"onAnswer: {error}", error.hint)
        return ()
    if action.name == "wait":
        return (SilenceClip(float(data["timeout"])),)
    await session.report(f"onAnswer: {action.name} is not carried out before the callee is joined")
    return ()
