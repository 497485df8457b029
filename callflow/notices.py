"""Layer 0: every notice of its own that a running call can give, in one table: why it comes, how to mend it.

Beside these a call's notices carry the codes of errors (``errors.py``) and of remarks on a node's data
(``documents/codes.py``). ``docs/codes.md`` shows all three.
"""

from __future__ import annotations

from typing import NamedTuple

ERROR = "error"
WARNING = "warning"
INFO = "info"

RECORDING = "CF-RUN-RECORDING"
"""For those that listen for it: a recording did not begin."""


class Code(NamedTuple):
    """What a stable code stands for. ``level``: how grave it is."""

    level: str
    title: str
    cause: str
    fix: str


NOTICES: dict[str, Code] = {
    # ---- the walk
    "CF-RUN-NODE": Code(WARNING, "node read another way", "The node is not written as a node should be, and "
                        "is read as what was surely meant.", "Run callflow check: it shows the place."),
    "CF-RUN-NO-MODULE": Code(WARNING, "module without code here", "A module of Kazoo's that this engine has "
                             "no code for: the node is passed over to _.",
                             "The notice gives the reason, and often another way."),
    "CF-RUN-UNKNOWN-MODULE": Code(WARNING, "unknown module", "There is no such module: the node is passed "
                                  "over to _.", "Correct the name: callflow schema lists the modules."),
    "CF-RUN-MODULE": Code(ERROR, "module failed", "A fault in the module's own code. The call goes on to _.",
                          "Please report it; the log has the details."),
    "CF-RUN-BACKGROUND": Code(ERROR, "work beside the call failed", "A fault in what a module does beside "
                              "the call, such as a webhook.", "Please report it; the log has the details."),
    "CF-RUN-ROUTE": Code(WARNING, "doubtful number or pattern", "Several callflows fit the number, or a "
                         "pattern is no regular expression.", "Run callflow check on the account's folder."),
    "CF-RUN-TRANSFER": Code(WARNING, "nobody to transfer", "A party asked for a transfer while nobody was "
                            "bridged with the caller; nothing is done.",
                            "Let the transfer come when both talk with each other."),
    # ---- modules
    "CF-RUN-CARRIER": Code(ERROR, "no carrier for a number", "resources or offnet: no resource of the "
                           "account has a rule that fits the number, and the flags that are asked for.",
                           "Correct rules and flags in the account's resources folder."),
    "CF-RUN-DISA": Code(WARNING, "dialling out without a PIN", "disa: there is no pin: whoever calls may "
                        "dial out at the account's cost.", "Write data.pin."),
    "CF-RUN-TIMEZONE": Code(ERROR, "no such time zone", "temporal_route: the node or the account names a "
                            "time zone that is not known; the account's, else UTC, is used.",
                            "Write an IANA name, such as Europe/Berlin."),
    "CF-RUN-TIME-WINDOW": Code(WARNING, "time rule that never holds", "The window of a time rule ends before "
                               "it begins: it does not go over midnight.",
                               "Write two rules: one up to 86400, one from 0 on."),
    "CF-RUN-PRESENCE": Code(ERROR, "no such lamp", "manual_presence: there is no presence_id and no captured "
                            "number, or the account has too many lamps.", "Write data.presence_id."),
    "CF-RUN-FORWARD": Code(WARNING, "forwarding not followed", "A phone forwards to a number that cannot be "
                           "rung: nobody takes it, it answers by itself (a menu) beside other phones, or the "
                           "forwarding goes round in a circle.",
                           "Forward to an extension that rings phones, or to a number that a carrier takes."),
    "CF-RUN-TRANSFER-TARGET": Code(ERROR, "nowhere to transfer", "transfer: there is neither a target nor a "
                                   "captured number.", "Write data.target."),
    "CF-RUN-CALLFLOW": Code(ERROR, "no such callflow", "callflow: data.id is missing, or the account has no "
                            "callflow with it.", "Name a file in the account's callflows folder."),
    "CF-RUN-MENU": Code(ERROR, "no such menu", "menu: the account has no menu with this id.",
                        "Name a file in the account's menus folder."),
    "CF-RUN-MENU-PIN": Code(WARNING, "greeting by phone", "menu: the caller pressed record_pin, but a "
                            "greeting cannot be recorded by phone here.",
                            "Put the audio into the account's media folder and name it in media.greeting."),
    "CF-RUN-PIVOT": Code(ERROR, "no answer to act on", "pivot: the server could not be asked, was too slow, "
                         "or its answer is no callflow and no TwiML. The walk goes on to _.",
                         "Answer 200 with a callflow as JSON, or with TwiML; see docs/modules/pivot.md."),
    "CF-RUN-PIVOT-DEBUG": Code(INFO, "pivot asks", "pivot with debug: each request and answer, in short.",
                               "Nothing."),
    "CF-RUN-TWIML": Code(WARNING, "TwiML passed over", "pivot: an element or attribute asks for what nothing "
                         "here can do; the next one is carried out.", "See docs/modules/pivot.md."),
    "CF-RUN-TTS": Code(ERROR, "no text", "tts: data.text is missing.", "Write the text."),
    "CF-RUN-MACRO": Code(WARNING, "sound left out", "audio_macro: one of the sounds cannot be had; the "
                         "others are played.", "Correct the entry that the message names."),
    "CF-RUN-AFTER-BRIDGE": Code(ERROR, "nothing to do after a talk", "after_bridge: action or data is "
                                "missing, or they do not fit.",
                                'Write "transfer" with a number, or "park" or "hangup" with true.'),
    "CF-RUN-NOMOROBO": Code(ERROR, "no score", "nomorobo: the service could not be asked, or its answer "
                            "holds no score. The walk goes on to _, else to 0; without both the call ends.",
                            "See username, password and url."),
    "CF-RUN-LIST": Code(ERROR, "no such list", "cidlistmatch, lookupcidname: the account has no list with "
                        "this id.", "Name a file in the account's lists folder."),
    "CF-RUN-REGEX": Code(WARNING, "not a regular expression", "An expression of the node or of a list cannot "
                         "be read: it fits nothing.", "Correct it: callflow check shows what is wrong."),
    "CF-RUN-CHECK-CID": Code(WARNING, "caller not changed", "check_cid: it changes who the caller is only if "
                             "caller_id.external has a name and a number, and user_id is given, as in Kazoo.",
                             "Give all three, or none."),
    "CF-RUN-LANGUAGE": Code(ERROR, "no language", "language: data.language is missing.",
                            'Write "language": "en-us".'),
    "CF-RUN-DTMF": Code(WARNING, "not digits", "send_dtmf: data.digits holds something that is no digit; it "
                        "is left out.", "Digits are 0 to 9, *, # and A to D."),
    "CF-RUN-FAX": Code(ERROR, "no fax here", "faxbox, receive_fax: this engine receives no faxes. The walk "
                       "goes on to _.", "Send fax numbers to a fax server, by a carrier or a device."),
    "CF-RUN-ENDINGS": Code(WARNING, "too much to do at the end", "A call has asked 20 times for something to "
                           "be done at its end; further wishes are left out.",
                           "See whether the flow comes by the same node again and again."),
    "CF-RUN-MAIL": Code(WARNING, "no mail", "A mail about a call is not sent, or not to everybody: no server "
                        "is set, a user has no email, an address is none.",
                        "Set smtp_client.relay in system_config; give addresses, or users an email."),
    "CF-RUN-TEMPLATE": Code(WARNING, "no template", "notification: data.template_id is missing; Kazoo sends "
                            "nothing then.", "Write data.template_id."),
    "CF-RUN-PLAY": Code(ERROR, "nothing to play", "play: data.id is missing.",
                        "Write a media id, a url or prompt://NAME."),
    "CF-RUN-TONES": Code(ERROR, "no tone", "tones: data.tones holds no tone that can be read.",
                         'Write e.g. "%(500,500,440)" or ["busy"].'),
    "CF-RUN-PROMPT": Code(WARNING, "no such prompt", "Neither the account nor the package has a prompt of "
                          "this name; nothing is played.", "Add it to the account's media folder."),
    "CF-RUN-VARIABLE": Code(WARNING, "variable not set", "set_variable: Kazoo's list has no such variable, "
                            "or there is no value.", "Use set_variables: it takes any name."),
    "CF-RUN-WEBHOOK": Code(ERROR, "webhook not told", "webhook: there is no uri, or the server was not "
                           "reached or did not answer 2xx, at any of the attempts.",
                           "Correct data.uri, or see why the server refuses."),
    "CF-RUN-RESTRICTED": Code(WARNING, "number that is denied", "A phone of the account has called a number "
                              "of a class that call_restriction of its document, its user's or the account's "
                              "denies: it hears so, and is hung up.",
                              "If it may: take the class out of call_restriction."),
    "CF-RUN-PIN": Code(WARNING, "PIN not known", "The caller did not know the PIN of a mailbox, a "
                       "conference, a user's hot desk or a dial tone (disa), in all its tries.",
                       "Ask who called; a new PIN is set in the document, a mailbox's also by phone."),
    "CF-RUN-PIN-CLOSED": Code(WARNING, "too many wrong PINs", "So many wrong PINs were entered, in this call "
                              "and those before it, that none is taken for a while: a minute at first, an "
                              "hour at most. A phone of the account counts by itself, all callers from "
                              "outside together.",
                              "Look whose calls these are; it opens by itself, or at the next start."),
    "CF-RUN-BLIND": Code(WARNING, "transfer is blind", "A metaflow asks for an attended transfer to "
                         "a number where nobody can be asked first: the other party was sent on at once.",
                         "Attended goes to callflows that begin with device or user, and numbers outside."),
    "CF-RUN-METAFLOW": Code(WARNING, "metaflow action without code", "Digits stand for an action that this "
                            "engine does not have: it is passed over to _.",
                            "docs/metaflows.md lists the actions there are."),
    "CF-RUN-SOUND": Code(ERROR, "sound not played", "An announcement or a sound of a metaflow cannot be "
                         "played.", "See whether it is an audio file that can be read."),
    "CF-RUN-SPEECH": Code(WARNING, "nothing is said", "A text is to be spoken, and nothing that can speak is "
                          "installed, or it has no such voice or language.",
                          'Install espeak-ng, or pip install "callflow-engine[speech]"; digits alone are '
                          "said by prompts."),
    "CF-RUN-MAILBOX": Code(ERROR, "no such mailbox", "voicemail: the account has no mailbox with this id.",
                           "Name a file in the account's vmboxes folder."),
    "CF-RUN-OPERATOR": Code(WARNING, "no operator", "voicemail: the caller pressed the operator key, but no "
                            "callflow has that number.",
                            "Give the operator's callflow the number, or change callflow.operator_key."),
    "CF-RUN-CONFERENCE": Code(WARNING, "conference not as written", "conference: there is no such document, "
                              "or a key of its controls asks for what nothing here can do.",
                              "Name a file of the conferences folder; see docs/modules/conference.md."),
    "CF-RUN-RATE": Code(ERROR, "two rates of sound", "A pretend call was to be connected with another "
                        "(retrieved, picked up, transferred to) of another rate. Only 8,000 and 16,000 Hz "
                        "meet, and those are the rates of all live calls.",
                        "Give the scenarios rates that meet."),
    # ---- recordings
    "CF-RUN-NOT-STORED": Code(WARNING, "nothing is recorded", "There is no url, and the settings keep no "
                              "recordings.", "Give a url, or set media.store_recordings to true."),
    "CF-RUN-URL": Code(ERROR, "placeholder in the url", "Nothing resolves a {NAME} in the url; the recording "
                       "is kept in the local store.", "Give it: --var NAME=VALUE."),
    "CF-RUN-PLAN": Code(ERROR, "storage plan that cannot be used", "storage.json names a place or connection "
                        "that it does not have; the recording is kept in the local store.",
                        "Run callflow check on the account's folder: it shows the line."),
    "CF-RUN-MEDIA-ID": Code(WARNING, "media_id in use", "There is a recording with this media_id already; "
                            "this one got a fresh id.", "Leave media_id out."),
    "CF-RUN-RECORDING": Code(WARNING, "recording command refused", "What was asked for does not fit the "
                             "recording's state, such as a pause of one that is over.",
                             "See docs/modules/record_call.md on when each action is possible."),
    # ---- a server
    "CF-RUN-CALL-ID": Code(WARNING, "call id in use", "A call came in with the Call-ID of one that is up: "
                           "a loop between servers, or a peer whose ids are not unique. Answered 482.",
                           "See which peer sends it, and whether a number leads back to where it came from."),
    "CF-RUN-RELOAD": Code(INFO, "documents read anew", "A file was changed, or SIGHUP asked for it: what is "
                          "different now. Calls under way keep what they began with.", "Nothing."),
    "CF-RUN-RELOAD-REFUSED": Code(ERROR, "changed documents refused", "There is a mistake in an account or "
                                  "in system_config: none of the changes is used, the old documents stay.",
                                  "Correct the places that are named; callflow check shows them, too."),
    "CF-RUN-DRAIN": Code(INFO, "ending, calls still run", "The process was told to stop: no new call is "
                         "taken, those that run get sip.drain_s (--drain) seconds to end.",
                         "Nothing; a second signal makes it wait no longer."),
    "CF-RUN-DRAIN-OVER": Code(WARNING, "calls hung up at the end", "Calls still ran when their time to end "
                              "was over, or a second signal came: they were hung up, their recordings "
                              "finished.",
                              "Give more time: --drain, sip.drain_s."),
    # ---- NCCO
    "CF-RUN-NCCO": Code(ERROR, "action not carried out", "An NCCO asks for what cannot be done: an unknown "
                        "action, a key that is missing, a number that nobody takes. The application gets an "
                        "error event, and the script goes on.",
                        "The notice says what; callflow check, where."),
    "CF-RUN-ACTION": Code(ERROR, "action failed", "A fault in an action's own code. The script goes on.",
                          "Please report it; the log has the details."),
    "CF-RUN-NCCO-ANSWER": Code(ERROR, "no script for a call", "Neither the application's answer url nor its "
                               "fallback gave an NCCO in time: the call ends.",
                               "Answer 2xx with an NCCO; callflow check shows what is wrong with one."),
    "CF-RUN-NCCO-EVENT": Code(ERROR, "event without answer", "An event url that may give another script, and "
                              "the fallback, could not be asked. The script goes on.",
                              "Let it answer 2xx, in time."),
    "CF-RUN-NCCO-FALLBACK": Code(WARNING, "fallback asked", "A web server did not answer as it should, and "
                                 "the application's fallback_answer_url is asked.", "See why it did not."),
    "CF-RUN-NCCO-FORMAT": Code(WARNING, "another file format", "MP3 and OGG files have at most 2 channels: "
                               "with more, a recording is a WAV.", "Write wav, or fewer channels."),
    "CF-RUN-NCCO-SPLIT": Code(WARNING, "channels without split", "record has channels and no split: a "
                              "channel for each leg is meant.", "Write split beside channels."),
    "CF-RUN-NCCO-SPEECH": Code(WARNING, "no speech recognised", "input asks for speech, and nothing here "
                               "recognises any: its result is an error. Or a setting of speech is not taken.",
                               "Ask for digits as well, or install a recogniser."),
    "CF-RUN-NCCO-TRANSCRIPTION": Code(WARNING, "not transcribed", "transcription asks for what nothing here "
                                      "can do.", "Do what the message says."),
    "CF-RUN-NCCO-MACHINE": Code(WARNING, "machines not detected", "connect asks for answering machines to be "
                                "detected, and nothing here listens for them.",
                                "Take machineDetection out, or let people press a key."),
    "CF-RUN-SSML": Code(WARNING, "SSML not read", "The text of talk has tags that are no XML: they are left "
                        "out.", "Write XML: <speak>...</speak>, with & as &amp;."),
    # ---- pretend calls
    "CF-RUN-QUIET": Code(INFO, "pretend call ends, all quiet", "Nobody had anything left to say or do.",
                         "Say when the call ends: --hangup-after, or end_when_quiet_s in the scenario."),
    "CF-RUN-MAX-DURATION": Code(WARNING, "pretend call ends, too long", "Nobody ended the call before "
                                "max_duration_s.", "Say when it ends: --hangup-after."),
}  # fmt: skip
