"""Layer 0: the one tree of errors.

Every leaf has a stable code, a message (what and where), a hint (what to do instead) and says
whether trying again can help. ``fix`` is what helps in most cases: the code's line in docs/codes.md.

    CallflowError
    ├── DocumentError            CF-DOC-000   a document cannot be read or used
    │   ├── JsonSyntaxError      CF-DOC-001   not JSON, or not JSON we accept
    │   ├── InvalidDocument      CF-DOC-002   well-formed, but against its schema
    │   └── MissingDocument      CF-DOC-003   a file, folder or document id that is not there
    ├── SettingsError            CF-CFG-000   system_config cannot be used
    │   └── MissingSecret        CF-CFG-001   a secret is not where a document says it stands
    ├── StateError               CF-STA-000   an event that a state machine does not allow
    ├── MediaError               CF-MED-000   audio cannot be made, read or moved
    │   ├── AudioFileError       CF-MED-001   an audio file that cannot be read or written
    │   ├── ToneError            CF-MED-002   a tone specification that cannot be read
    │   ├── NoMediaPort          CF-MED-003   all RTP ports are in use
    │   ├── WorkerGone           CF-MED-004   a media process has died
    │   ├── SpeechError          CF-MED-005   a text cannot be spoken
    │   ├── TranscriptionError   CF-MED-006   speech cannot be written down
    │   └── TranscriberGone      CF-MED-007   the process that writes speech down has died or hung
    ├── RecordingError           CF-REC-000   a recording cannot be made or finished
    │   ├── SpoolError           CF-REC-001   the spool cannot be written or read
    │   ├── EncodeError          CF-REC-002   the audio cannot be brought into its file format
    │   ├── UnknownRecording     CF-REC-003   no such recording
    │   ├── BadFilter            CF-REC-004   what recordings are wanted cannot be understood
    │   ├── RecordingHeld        CF-REC-005   a recording that must not be erased
    │   ├── NotErasable          CF-REC-006   a recording that cannot be erased now
    │   ├── SealError            CF-REC-007   a file cannot be sealed or opened
    │   ├── QuotaReached         CF-REC-008   recordings have all the room they may take
    │   └── ClockDoubtful        CF-REC-009   this machine's clock does not fit what is there
    ├── StorageError             CF-STO-000   the state folder or its database cannot be used
    ├── DeliveryError            CF-DLV-000   a file cannot be delivered
    │   ├── BadUrl               CF-DLV-001   a url that cannot be delivered to
    │   ├── BlockedAddress       CF-DLV-002   an address that the guard refuses
    │   ├── UnknownDelivery      CF-DLV-003   no such delivery
    │   ├── FetchError           CF-DLV-004   a document's url could not be fetched or posted to
    │   ├── BadRedirect          CF-DLV-005   a redirect that cannot be followed
    │   ├── UnsendableFile       CF-DLV-006   the file to deliver is gone or damaged
    │   ├── MailError            CF-DLV-007   a mail could not be sent
    │   ├── BadSignature         CF-DLV-008   a webhook's signature does not fit
    │   ├── NoScript             CF-DLV-009   a web server that was asked for an NCCO gives none
    │   └── StoreRefused         CF-DLV-010   a place for recordings refuses, or its settings are wrong
    ├── EngineError              CF-ENG-000   a flow cannot be walked
    │   ├── FlowTooDeep          CF-ENG-001   a tree deeper than the limit
    │   ├── TooManyBranches      CF-ENG-002   more branches than max_branch_count
    │   ├── NoFlow               CF-ENG-003   no flow for this number
    │   └── MissingVariable      CF-ENG-004   a placeholder that nothing resolves
    ├── SipError                 CF-SIP-000   a SIP call cannot be made or taken
    │   ├── MalformedMessage     CF-SIP-001   bytes that are not a SIP message we can use
    │   ├── BadDescription       CF-SIP-002   an SDP that cannot be read or agreed on
    │   ├── TransportFailed      CF-SIP-003   a SIP message could not be sent
    │   └── ListenError          CF-SIP-004   an address that cannot be listened on
    ├── ApiError                 CF-HTTP-001  a request to the HTTP server that is answered with an error
    ├── UnknownToken             CF-HTTP-002  no such token
    ├── HttpListenError          CF-HTTP-003  an address that the HTTP server cannot listen on
    ├── CallGone                 CF-CAL-001   the caller has hung up (control flow, not a fault)
    └── ScenarioError            CF-SIM-000   a pretend call's scenario that cannot be played
"""

from __future__ import annotations

from callflow.errors_net import ApiError as ApiError
from callflow.errors_net import BadDescription as BadDescription
from callflow.errors_net import CallGone as CallGone
from callflow.errors_net import HttpListenError as HttpListenError
from callflow.errors_net import ListenError as ListenError
from callflow.errors_net import MalformedMessage as MalformedMessage
from callflow.errors_net import ScenarioError as ScenarioError
from callflow.errors_net import SipError as SipError
from callflow.errors_net import TransportFailed as TransportFailed
from callflow.errors_net import UnknownToken as UnknownToken
from callflow.errors_root import CallflowError as CallflowError


class DocumentError(CallflowError):
    """A document cannot be read or used."""

    code = "CF-DOC-000"
    fix = "Run callflow check on the document."


class JsonSyntaxError(DocumentError):
    """Not JSON, or not JSON we accept (duplicate keys, NaN, a BOM ...)."""

    code = "CF-DOC-001"
    fix = "Correct the text at the line and column that are named."
    line: int = 0
    column: int = 0


class InvalidDocument(DocumentError):
    """Well-formed, but against its schema."""

    code = "CF-DOC-002"
    fix = "Run callflow check on the document: it names each place."


class MissingDocument(DocumentError):
    """A file, folder or document id that is not there."""

    code = "CF-DOC-003"
    fix = "Correct the path or id, or add the document."


class SettingsError(CallflowError):
    """system_config cannot be used."""

    code = "CF-CFG-000"
    fix = "Correct the file in your system_config folder: callflow check reads it too."


class MissingSecret(SettingsError):
    """A secret is not where a document says that it stands. The message names the place, never the secret."""

    code = "CF-CFG-001"
    fix = "Put the secret where the document says, or correct the place: secret:env:NAME, secret:file:PATH."
    retryable = True


class StateError(CallflowError):
    """An event that a state machine does not allow; the message names state and event."""

    code = "CF-STA-000"
    fix = "Ask for what the state allows; from a flow, see docs/modules/record_call.md."


class MediaError(CallflowError):
    """Audio cannot be made, read or moved."""

    code = "CF-MED-000"
    fix = "Read the message: it names the sound and what is wrong with it."


class AudioFileError(MediaError):
    """An audio file that cannot be read or written."""

    code = "CF-MED-001"
    fix = "Give a file that libsndfile reads (WAV, FLAC, OGG, MP3), or mend its path."


class ToneError(MediaError):
    """A tone specification that cannot be read."""

    code = "CF-MED-002"
    fix = 'Write it as FreeSWITCH does: %(on_ms,off_ms,hertz), such as "%(500,500,440)".'


class NoMediaPort(MediaError):
    """All RTP ports are in use."""

    code = "CF-MED-003"
    fix = "Give serve more ports (--media-ports), or put fewer calls on this machine."
    retryable = True


class WorkerGone(MediaError):
    """A media process has died."""

    code = "CF-MED-004"
    fix = "Its recordings are recovered by themselves; the log says why it died."
    retryable = True


class SpeechError(MediaError):
    """A text cannot be spoken: nothing is installed that can, or it has no such voice."""

    code = "CF-MED-005"
    fix = 'Install espeak-ng, or pip install "callflow-engine[speech]"; name a language that it has.'


class TranscriptionError(MediaError):
    """Speech cannot be written down: nothing is installed that can, or not in that language."""

    code = "CF-MED-006"
    fix = 'pip install "callflow-engine[transcription]", or name another ncco.transcription.transcriber.'


class TranscriberGone(MediaError):
    """The process that writes speech down has died, or was killed because it took too long."""

    code = "CF-MED-007"
    fix = "It is started again; look at the recogniser's model and at the machine's memory."
    retryable = True


class RecordingError(CallflowError):
    """A recording cannot be made or finished."""

    code = "CF-REC-000"
    fix = "Read the message; the spool of the recording is kept."


class SpoolError(RecordingError):
    """The spool cannot be written or read (full disk, no permission, damaged)."""

    code = "CF-REC-001"
    fix = "Make room on the disk, or correct the rights of the state folder; what was written is not lost."
    retryable = True


class EncodeError(RecordingError):
    """The audio cannot be brought into its file format."""

    code = "CF-REC-002"
    fix = "Record as wav, or at another rate; what was recorded is kept in its spool."


class UnknownRecording(RecordingError):
    """No such recording."""

    code = "CF-REC-003"
    fix = "See callflow recordings list."


class BadFilter(RecordingError):
    """What recordings are wanted cannot be understood."""

    code = "CF-REC-004"
    fix = "Write the value as the message says: instants as 2026-11-20T10:00, numbers with at most one *."


class RecordingHeld(RecordingError):
    """A recording that must not be erased: somebody has put a legal hold on it."""

    code = "CF-REC-005"
    fix = "See callflow recordings holds; callflow recordings release ID ends a hold."


class NotErasable(RecordingError):
    """A recording that cannot be erased now: it is being made, or is not delivered yet."""

    code = "CF-REC-006"
    fix = "Wait for its end and its delivery, or cancel that; --force erases what is not delivered."
    retryable = True


class SealError(RecordingError):
    """A file cannot be sealed to a key, or opened with one."""

    code = "CF-REC-007"
    fix = "Recipients are age public keys (age1...): callflow recordings keygen makes a pair."


class QuotaReached(RecordingError):
    """Recordings have all the room they may take."""

    code = "CF-REC-008"
    fix = "Erase recordings, raise the quota, or let the oldest go: quota_policy oldest."
    retryable = True


class ClockDoubtful(RecordingError):
    """Nothing expires: by this machine's clock what is there was made later than now, or very long ago."""

    code = "CF-REC-009"
    fix = "Look at the clock (`date`) and set it; if it is right, say --force."


class StorageError(CallflowError):
    """The state folder or its database cannot be used."""

    code = "CF-STO-000"
    fix = "Correct the rights or the disk under the state folder (--state), or name another."
    retryable = True


class DeliveryError(CallflowError):
    """A file cannot be delivered."""

    code = "CF-DLV-000"
    fix = "Read the message; callflow deliveries show ID tells every attempt."


class BadUrl(DeliveryError):
    """A url that cannot be delivered to."""

    code = "CF-DLV-001"
    fix = "Write http://host/path or https://host/path."


class BlockedAddress(DeliveryError):
    """An address that the guard refuses."""

    code = "CF-DLV-002"
    fix = "Use a public address, or allow its network in delivery.allow_networks."


class UnknownDelivery(DeliveryError):
    """No such delivery."""

    code = "CF-DLV-003"
    fix = "See callflow deliveries list."


class FetchError(DeliveryError):
    """A document's url (webhook, play ...) could not be fetched or posted to."""

    code = "CF-DLV-004"
    fix = "See whether the server is up and answers 200."
    retryable = True


class BadRedirect(DeliveryError):
    """A redirect that cannot be followed: a loop, too many, no Location, a url of no use."""

    code = "CF-DLV-005"
    fix = "Let the server redirect to a url that takes the file, or write that url in the flow."
    retryable = True


class UnsendableFile(DeliveryError):
    """The file to deliver is gone or damaged."""

    code = "CF-DLV-006"
    fix = "Do not move or change files in the state folder; there is nothing left to send."


class MailError(DeliveryError):
    """A mail could not be sent. ``passing``: trying again can help."""

    code = "CF-DLV-007"
    fix = "Correct system_config/smtp_client.json; the message names the server and what it said."
    retryable = True
    passing: bool = True


class BadSignature(DeliveryError):
    """A webhook's token that is no token, is too old, or belongs to another body or secret."""

    code = "CF-DLV-008"
    fix = "Compare the secret and the bytes of the body with those of the sender."


class NoScript(DeliveryError):
    """A web server that was asked for an NCCO gives nothing that can be used."""

    code = "CF-DLV-009"
    fix = "Answer 2xx with an NCCO, in time."
    again: bool = False  # one more try may help


class StoreRefused(DeliveryError):
    """A place for recordings refuses: wrong credentials, no such bucket, no library for it.

    Like a 4xx: somebody has to repair it.
    """

    code = "CF-DLV-010"
    fix = "Correct storage.json, or the place; callflow storage test says which step fails and why."
    retryable = True


class EngineError(CallflowError):
    """A flow cannot be walked."""

    code = "CF-ENG-000"
    fix = "Run callflow check on the flow."


class FlowTooDeep(EngineError):
    """A tree deeper than the limit."""

    code = "CF-ENG-001"
    fix = "Split the flow and join the parts with the module callflow."


class TooManyBranches(EngineError):
    """More branches than ``callflow.max_branch_count``."""

    code = "CF-ENG-002"
    fix = "See which callflows lead to each other in a circle, or raise callflow.max_branch_count."


class NoFlow(EngineError):
    """No flow for this number."""

    code = "CF-ENG-003"
    fix = "Give a callflow the number, or one the number no_match."


class MissingVariable(EngineError):
    """A placeholder that nothing resolves."""

    code = "CF-ENG-004"
    fix = "Give it: --var NAME=VALUE."
