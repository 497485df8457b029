"""Layer 1: every code that checking can give, in one table: what it means, why it comes, how to mend it."""

from __future__ import annotations

from callflow.notices import Code

ERROR = "error"
WARNING = "warning"
NOTE = "note"

# The level ``error`` makes the exit code 1.
CODES: dict[str, Code] = {
    # ---- files and JSON
    "CF-CHK-001": Code(ERROR, "unreadable file", "The file or folder is missing or may not be read.",
                       "Correct the path or the permissions."),
    "CF-CHK-010": Code(ERROR, "not JSON", "The text breaks JSON's grammar at this place.",
                       "Write plain JSON: double quotes, commas between items, no comments."),
    "CF-CHK-011": Code(ERROR, "empty file", "There is nothing in the file.", "Write a document into it."),
    "CF-CHK-012": Code(ERROR, "cut off", "The text ends before a bracket or quote is closed.",
                       "Complete it; perhaps it was not written to its end."),
    "CF-CHK-013": Code(ERROR, "key twice", "An object holds the same key twice; only the last would count.",
                       "Delete or rename one of them."),
    "CF-CHK-014": Code(ERROR, "byte order mark", "The file starts with an invisible mark.",
                       "Save it as UTF-8 without BOM."),
    "CF-CHK-015": Code(ERROR, "comment", "JSON has no comments.", "Take it out, or use a key such as name."),
    "CF-CHK-016": Code(ERROR, "trailing comma", "A comma stands before a closing bracket.",
                       "Delete the comma."),
    "CF-CHK-017": Code(ERROR, "not a number", "NaN and Infinity are no JSON values.",
                       "Write a finite number."),
    "CF-CHK-018": Code(ERROR, "huge number", "The number is too big to be handled exactly.",
                       "Write a smaller one, or a text."),
    "CF-CHK-019": Code(ERROR, "not UTF-8", "The file is in another encoding.", "Save it as UTF-8."),
    "CF-CHK-020": Code(ERROR, "nested too deep", "The file or flow is deeper than the limit.",
                       "Split the flow and join the parts with the module callflow."),
    "CF-CHK-021": Code(ERROR, "bad text", "A text holds a control character or an unknown escape.",
                       r"Write \n, \t, \u.... or \\ instead."),
    # ---- what a file is
    "CF-CHK-030": Code(ERROR, "not a document", "The file is JSON, but no document that is known here.",
                       "A callflow has a flow; a bare flow has a module."),
    "CF-CHK-031": Code(NOTE, "metaflow", "An action on digits in mid-call, not a callflow.",
                       "Nothing, if that is meant: docs/metaflows.md says where it belongs."),
    "CF-CHK-033": Code(WARNING, "other file", "A JSON file in the folder that is no document of an account.",
                       "Move it elsewhere, or name files to check one by one."),
    # ---- nodes
    "CF-CHK-040": Code(ERROR, "no node", "Something that is not an object stands where a node should be.",
                       'Write {"module": ..., "data": {...}, "children": {...}}.'),
    "CF-CHK-041": Code(ERROR, "no module", "The node does not say what to do.", "Give it a module."),
    "CF-CHK-042": Code(ERROR, "bad module name", "module is not a text of 1 to 64 characters.",
                       "Write the module's name."),
    "CF-CHK-043": Code(ERROR, "no data", "The node has no data; Kazoo's API refuses such a node.",
                       'Write "data": {}.'),
    "CF-CHK-044": Code(ERROR, "bad data", "data is not an object; the engine reads it as {}.",
                       'Write "data": {...}.'),
    "CF-CHK-045": Code(ERROR, "bad children", "children is not an object of branch keys.",
                       'Write "children": {"_": {...}}.'),
    "CF-CHK-046": Code(ERROR, "missing branch key", "children holds a node itself, as an example of Kazoo's "
                       "documentation does. On Kazoo such a flow hangs up there; here it is read as _.",
                       'Write "children": {"_": {"module": ...}}.'),
    "CF-CHK-048": Code(WARNING, "unknown node key", "Only module, data and children mean anything.",
                       "Move it into data, or delete it."),
    "CF-CHK-049": Code(ERROR, "empty child", "A child {} ends the call; Kazoo's API refuses it.",
                       "Delete it, or write a node."),
    "CF-CHK-050": Code(WARNING, "children never run", "The call ends in this module.",
                       "Move the children elsewhere, or delete them."),
    "CF-CHK-051": Code(WARNING, "empty branch key", "Nothing but an empty value leads to a child named ''.",
                       "Give it a name."),
    "CF-CHK-052": Code(WARNING, "branch key never used", "The module never goes to a child of that name.",
                       "Rename the child: the hint says what the module goes to."),
    "CF-CHK-053": Code(WARNING, "branch never taken", "The module could go to such a child, but not with "
                       "this data or document: digits that cannot be dialled, a rule that is not there.",
                       "Correct the branch key, or what rules it out."),
    "CF-CHK-054": Code(WARNING, "unknown cause", "The branch key looks like a slip of a cause's name.",
                       "Write the cause as the switch does, e.g. USER_BUSY."),
    "CF-CHK-055": Code(WARNING, "never comes back", "Every call ends in the callflow that this node goes to: "
                       "the node's _ never runs.", "Leave the child out, or let the other flow end."),
    # ---- modules
    "CF-CHK-060": Code(ERROR, "unknown module", "Kazoo has no such module; its engine passes the node over.",
                       "Correct the name."),
    "CF-CHK-061": Code(WARNING, "module without code here", "A module of Kazoo's that this engine has no "
                       "code for: the node is passed over to _. The reason is in docs/modules/README.md.",
                       "Leave it for Kazoo, or use another module."),
    "CF-CHK-062": Code(ERROR, "metaflow module", "The module exists for metaflows only.",
                       "Use a callflow module."),
    "CF-CHK-063": Code(WARNING, "not as on Kazoo", "A key that Kazoo follows and this engine does not: the "
                       "hint says what happens here.", "Leave the key out, or keep it for Kazoo."),
    # ---- data
    "CF-CHK-070": Code(ERROR, "wrong type", "The value has another type than the key.",
                       "Write the right type."),
    "CF-CHK-071": Code(ERROR, "unknown value", "The value is none of those that the key knows.",
                       "Choose one of them."),
    "CF-CHK-072": Code(ERROR, "out of range", "The number is under the least or over the largest value.",
                       "Write one within the limits."),
    "CF-CHK-073": Code(ERROR, "missing key", "A key that is required is not there.", "Add it."),
    "CF-CHK-074": Code(WARNING, "unknown key", "The key means nothing here and is ignored, as by Kazoo.",
                       "Correct or delete it."),
    "CF-CHK-075": Code(NOTE, "text cast", "A text holds a number or boolean; it is read as that.",
                       "Write it without quotes."),
    "CF-CHK-076": Code(ERROR, "bad text or list", "The text or list breaks a rule of its key.",
                       "See callflow schema."),
    "CF-CHK-077": Code(NOTE, "no effect", "A setting of Kazoo's that is known and has no effect here.",
                       "Keep it for Kazoo, or delete it."),
    "CF-CHK-078": Code(WARNING, "key without effect", "The node's other keys, or what comes before it, leave "
                       "this one nothing to do.", "Leave it out, or change what rules it out."),
    "CF-CHK-079": Code(WARNING, "limit never reached", "Another limit ends the same thing before it.",
                       "Bring the two into order."),
    # ---- recording
    "CF-CHK-080": Code(ERROR, "over the time limit", "time_limit is over media.max_recording_time_limit "
                       "and is clamped to it.", "Write less, or raise that setting."),
    "CF-CHK-081": Code(WARNING, "silence keys without effect", "Without silence_detection: true the other "
                       "silence keys do nothing.", "Add silence_detection: true, or delete them."),
    "CF-CHK-082": Code(WARNING, "doubtful silence timeout", "The number is unusual for seconds and for "
                       "milliseconds.", "Set media.silence_timeout_unit to s or ms."),
    "CF-CHK-083": Code(WARNING, "read-only origin", "origin is written by the module.", "Delete it."),
    "CF-CHK-084": Code(WARNING, "stop never reached", "The module before it rings somebody and never goes "
                       "to _, answered or not.", "Leave it out: recordings end with the call."),
    "CF-CHK-085": Code(WARNING, "two starts", "record_on_answer and record_on_bridge are both set.",
                       "Keep one: the bridge decides."),
    "CF-CHK-086": Code(WARNING, "nothing is recorded", "No url, and media.store_recordings is false.",
                       "Give a url, or set media.store_recordings to true."),
    "CF-CHK-087": Code(WARNING, "always too short", "No recording within time_limit reaches record_min_sec.",
                       "Lower record_min_sec."),
    "CF-CHK-088": Code(NOTE, "recording into voicemail", "A recording that runs while voicemail records "
                       "takes the message in as well.", "Stop the recording before voicemail."),
    "CF-CHK-089": Code(NOTE, "stop where nobody answered", "An answered bridge runs no children: this stop "
                       "and what follows are for calls that nobody answers.", "Nothing, if that is meant."),
    # ---- urls, expressions, documents
    "CF-CHK-090": Code(ERROR, "refused url", "Nothing can be delivered to or fetched from this url.",
                       "Write http://host/path or https://host/path."),
    "CF-CHK-091": Code(WARNING, "blocked address", "The address is not public and not in "
                       "delivery.allow_networks: it is refused when it is used.",
                       "Use a public address, or allow its network."),
    "CF-CHK-095": Code(ERROR, "bad regular expression", "The expression cannot be read, so it never matches.",
                       "Correct it; mind the double backslashes of JSON."),
    "CF-CHK-096": Code(ERROR, "bad network", "This is no network in CIDR form.", "Write e.g. 10.1.0.0/16."),
    "CF-CHK-100": Code(ERROR, "unknown document", "The account has no document with this id.",
                       "Correct the id, or add the document."),
    "CF-CHK-101": Code(WARNING, "empty id", "An empty id names no document.",
                       "Write an id, or delete the key."),
    "CF-CHK-105": Code(WARNING, "disabled document", "The document that is named here has enabled: false.",
                       "Enable it, or name another."),
    "CF-CHK-106": Code(WARNING, "pattern never reached", "Other callflows of the account take every number "
                       "that it fits: an exact number goes first, then the longest caught text.",
                       "Narrow the other pattern, or catch more with this one."),
    "CF-CHK-107": Code(WARNING, "endless round", "Callflows lead to one another in a ring: every call goes "
                       "round until max_branch_count ends it.", "Lead one of them elsewhere."),
    "CF-CHK-108": Code(NOTE, "round without the caller", "Callflows lead to one another in a ring: a caller "
                       "who does nothing stays on it until max_branch_count ends the call.",
                       "Nothing, if that is meant; else let one of them end."),
    "CF-CHK-102": Code(ERROR, "number twice", "Two callflows or applications of the account have the same "
                       "number or pattern.", "Take it out of one."),
    "CF-CHK-103": Code(NOTE, "no number", "Neither numbers nor patterns: no call finds it.",
                       "Add a number, or reach it through the module callflow."),
    "CF-CHK-104": Code(WARNING, "file name", "The document's id is not the file's name.",
                       "Name the file after the id."),
    # ---- settings together (callflow lint-config)
    "CF-CHK-120": Code(ERROR, "every recording deleted", "record_min_sec is over the longest recording that "
                       "there can be.", "Lower record_min_sec, or raise max_recording_time_limit."),
    "CF-CHK-121": Code(WARNING, "setting without effect", "Other settings, or the flows, leave this one "
                       "nothing to do.", "Leave it out, or change what rules it out."),
    "CF-CHK-122": Code(WARNING, "storage goes nowhere", "media.store_recordings is false, and flows record "
                       "without a url.", "Give a url, or set media.store_recordings to true."),
    "CF-CHK-123": Code(WARNING, "guard wide open", "delivery.allow_networks lets documents reach what they "
                       "never should.", "Name only the networks of receivers."),
    "CF-CHK-124": Code(ERROR, "limits the wrong way round", "A least value is over its largest.",
                       "Swap or widen them."),
    "CF-CHK-125": Code(WARNING, "no such settings", "Nothing reads settings of that name there.",
                       "Correct the name, or move them."),
    "CF-CHK-126": Code(NOTE, "more than there is", "The value is over what calls or files can carry.",
                       "Lower it, or leave it out."),
    # ---- NCCO
    "CF-CHK-130": Code(WARNING, "other name of a key", "The key is written in a former or another SDK's way, "
                       "and read as what is meant.", "Write the name that the hint says."),
    "CF-CHK-131": Code(WARNING, "not a list", "One value stands where a list of one is documented.",
                       "Put it into brackets."),
    "CF-CHK-132": Code(WARNING, "number or boolean as text", "The text is read as the number or boolean "
                       "that it holds.", "Write it without quotes."),
    "CF-CHK-133": Code(WARNING, "more than one", "The list has one entry that counts.", "Keep one."),
    "CF-CHK-134": Code(WARNING, "no absolute url", "Nothing can be asked or told there: it is a placeholder, "
                       "a part of a url, or empty.", "Write the whole url."),
    "CF-CHK-135": Code(WARNING, "other value", "The value is read as one that is documented.",
                       "Write that one."),
    "CF-CHK-136": Code(WARNING, "not an E.164 number", "Numbers are 7 to 15 digits, with the country, "
                       "without a plus.", "Write it as 447700900000."),
    "CF-CHK-137": Code(WARNING, "brought into range", "The number is outside of its limits, and the nearest "
                       "one is used.", "Write one within the limits."),
    "CF-CHK-138": Code(WARNING, "input without type", "A form from before 2020: read as dtmf, or as what it "
                       "has settings for.", "Add type."),
    "CF-CHK-139": Code(ERROR, "unknown action", "There is no such action.", "Correct the name."),
    "CF-CHK-140": Code(ERROR, "no action", "An item of the list does not say what to do.",
                       "Give it an action."),
    "CF-CHK-141": Code(ERROR, "incomplete endpoint", "An endpoint of this type cannot be called without it.",
                       "Add the key."),
    "CF-CHK-142": Code(ERROR, "bad uri", "The uri has another scheme than its type of endpoint.",
                       "Write sip:... or wss://..."),
    "CF-CHK-143": Code(ERROR, "keys exclude each other", "Only one of the two can be meant.", "Keep one."),
    "CF-CHK-144": Code(NOTE, "never run", "The script does not come past the action before.",
                       "Delete it, or put it before."),
    "CF-CHK-145": Code(NOTE, "no code here", "The engine has nothing that could do this; it says so when it "
                       "comes to it.", "Nothing, if that is meant."),
    "CF-CHK-146": Code(NOTE, "out of date", "The key has been replaced by others, and still works.",
                       "Use what the hint says."),
    "CF-CHK-147": Code(WARNING, "channels and format", "The keys do not go together; what is done is said.",
                       "Write what is meant."),
    "CF-CHK-148": Code(WARNING, "default taken", "A key that is documented as required is missing, and its "
                       "default is used.", "Write it."),
    # ---- storage plans
    "CF-CHK-150": Code(ERROR, "place without credentials", "Nobody can log in there, or its url or secret is "
                       "written in a way that is not known.", "Give what the message names."),
    "CF-CHK-151": Code(WARNING, "secret in a document", "Whoever reads the document has the secret.",
                       "Write secret:env:NAME or secret:file:PATH."),
    # ---- keeping recordings
    "CF-CHK-155": Code(ERROR, "recordings cannot be sealed", "encryption names a recipient that is no age "
                       "public key: no recording could be finished.",
                       "Write the public key: callflow recordings keygen makes a pair."),
    # ---- NCCO, the last
    "CF-CHK-149": Code(NOTE, "bargeIn without input", "Only an input that follows can cut a prompt short.",
                       "Let an input follow, or delete bargeIn."),
}  # fmt: skip
