# What the bot says to people. Messages with { $values } are filled in; /commands stay as they are in every language.

command-help = What I can do
command-stop = End the answer that is running
command-reset = Begin a new conversation
command-retry = Another answer to your last question
command-human = Talk to a person
command-sources = The documents I answer from
command-why = Why I answered as I did
command-usage = What you have used today, of what you may
command-start = What I store, and whether I may learn from it
command-privacy = What I store, for how long, and your rights
command-export = A file of everything I have of you
command-forget = Remove everything I have of you
command-label = Which label a text belongs to
command-summary = A summary of a text
command-report = A report in the form you name
command-code = Code that is run and tested
help =
    Write me a question and I answer it. Under each answer:
    👍 👎 say whether it was right,
    ✏️ lets you write what the answer should have been (or just reply to it),
    🔄 asks for another answer,
    {"["}1] shows the passage that it cites.

    Send me a PDF, DOCX, Markdown or text file, and I answer from it here; /sources lists your documents and removes them.

    /label sorts a text, /summary shortens it, /report writes in the form you name, /code writes a program: with the text after the command, or as a reply to a message.

    /human asks for a person. /why explains an answer, /reset begins a new conversation, /retry answers the last question again, /stop ends a running answer, /start and /privacy show what I store, /export gives it to you, /forget removes all I have of you.
welcome = Hello! I am Apprentice, and I learn from the people I work for. Write me a question, or see /help.
owner = Hello! This bot is yours now: you decide who else may use it. Write me a question, or see /help.
member = Hello! You may use this bot now. Write me a question, or see /help.
stranger = This bot is private; you can ask its owner for access.
link-used = This link does not work any more; ask the bot's owner for access.
ask = Ask for access
asked = Your request was sent; you will hear from me when the owner has decided.
asked-already = Your request waits for the owner's decision.
has-access = You may use this bot already.
allow = Allow
refuse = Refuse
owner-decides = Only the owner of this bot decides that.
decided-already = This has been decided already.
refused = The owner of this bot did not give you access.
too-fast = You write faster than I may answer. I leave out what is too much; please ask it again in a minute.
invite-how = Write /invite, or for how many people (1000 at most) and days (365), such as /invite 5 7.
invite-in-private = Please write me /invite in our private chat: whoever sees the link may use the bot.
withdraw = Withdraw
withdrawn = This link was withdrawn.
banned = You may not use this bot any more. Please ask its owner about anything, also about what it has of you.
ban-how = Reply to one of their messages with this command, or write their number in Telegram or their pseudonym after it.
owners-stay = The owner of this bot cannot be banned.
not-banned = They are not banned.
inline-stranger = This bot is private: ask for access
inline-untold = Please write to me first, in our own chat
inline-beyond = That is beyond your limit: see /usage
inline-failed = I cannot answer just now; please try again
yes = Yes, learn from my words
no = No, only answer
consent-ask = May I learn from your words? I answer either way.
consent-yes = You allowed me to learn from your words. You can change that here at any time.
consent-no = I answer you, and do not learn from your words. You can change that here at any time.
consent-noted-yes = Thank you! I may learn from your words.
consent-noted-no = I will not learn from your words.
forget = I remove, for good, your messages, my answers to them, your feedback, what was approved from it, the documents you sent to a chat, and your access. What I learned is tuned anew without it. This chat itself is Telegram's to delete.
forget-me = Forget me
keep = Keep everything
forgetting = I am removing it…
forgotten = Done: I have nothing of you any more. To write to me again, ask the owner for access.
nothing-known = I have nothing of you.
kept = All right, I keep everything.
forget-in-private = Please write me /forget in our private chat; it is about everything you said, in every chat.
good = Thank you! Noted as right.
bad = Noted as not right. What was wrong?
bad-for-another = Noted as not right.
taken-back = Taken back.
noted-good = 👍 ↩️ take back
noted-bad = 👎 ↩️ take back
reason-wrong = Wrong
reason-not-helpful = Not helpful
reason-too-long = Too long
reason-unsafe = Unsafe
reason-other = Other
reason-noted = Thank you! ✏️ lets you write what would have been right.
for-the-asker = This is for whoever asked the question.
write-it = What should the answer have been? Write it now (in a group, as a reply to this message); /stop if not.
correction = The right answer
shall-i-send = Shall I send this as the right answer?
send = Send
cancel = Cancel
it-is-a-question = It is a question
take-back = Take back
live = Thank you! Since { $time } I answer this your way.
for-the-writer = This is for whoever wrote it, and waits no longer than a day.
again = I try again.
too-old = That answer is older than my record; please ask again.
unknown-button = This button does not work any more.
only-text = I can only read text; please write it to me.
no-voice = I can only read text, and do not understand recordings; please write it to me.
no-pictures = I can only read text, and do not understand pictures; please write what you want to know.
album = I can only read text, and leave out albums; please write what you want to know.
file-not-fetched = Telegram did not give me this file; please send it again.
failure-not-heard = I could not listen to this just now; please write it, or try again later.
nothing-heard = I heard no words in this; please write it to me.
failure-not-seen = I could not look at this just now; please write what you want to know, or try again later.
about-picture = What does this picture show?
late = I was away when you wrote, and do not answer what is old; please ask again what you still want to know.
nothing-to-retry = There is nothing that I could answer again; please ask.
unknown-command = I do not know this command; see /help.
reset = We begin afresh: I no longer look back at what was said before.
stopped = Stopped.
not-awaited = All right, no correction.
nothing-runs = No answer is running.
stopped-unsaid = Stopped before I said anything; please ask again.
no-words = I have no answer to that; please ask in other words.
unrecorded = This answer could not be stored, so it cannot be rated.
task-needs-text = Write the text after the command, or reply with the command to a message.
unsure = I am not sure which label is right. Tap it, or write it as a correction (✏️).
label-noted = Noted: { $label }.
outcome-supported = ✓ The sources support the whole answer.
outcome-partly-supported = The sources support { $supported } of { $total } sentences I wrote; the others are left out.
outcome-unsupported = The sources support nothing of what I wrote.
outcome-no-sources = I found no source for this answer.
outcome-faithful = ✓ Short enough, and every number, date and name stands in the text.
outcome-too-long = Too long: { $length }, where { $limit } is the most.
outcome-invented = Does not stand in the text: { $facts }.
outcome-no-summary = There is no summary.
outcome-valid = ✓ The report has its form.
outcome-no-json = The report is not complete JSON.
outcome-misfit = The report does not fit its form at { $field }.
outcome-all-sections = ✓ Every section is there.
outcome-sections-missing = Missing or empty: { $sections }.
outcome-ran = ✓ Ran in { $seconds } s.
outcome-passed = ✓ Ran in { $seconds } s and passed its tests.
outcome-no-code = There is no Python program in this answer.
outcome-syntax = ✗ It cannot be read: { $error }
outcome-failed = ✗ It failed: { $error }
outcome-test-failed = ✗ It fails its tests: { $error }
outcome-timeout = ✗ It ran too long and was ended.
outcome-memory = ✗ It needed too much memory and was ended.
outcome-output = ✗ It wrote too much and was ended.
outcome-processes = ✗ It wanted another process, or too many threads, and was ended.
outcome-refused = ✗ It wanted what programs may not do here: { $error }
outcome-not-run = It was not run: { $error }
outcome-busy = It was not run: too many programs were waiting. Ask again later.
checked = ✓ checked by a person
not-sure = I am not sure about this answer.
no-answer-yet = There is no answer in this conversation yet.
no-sources = This answer used no sources.
no-such-passage = This passage is not in my record any more.
no-documents = There are no documents here yet: send me a PDF, DOCX, Markdown or text file, and I answer from it.
own-documents = Documents of this chat, which no other chat sees:
shared-documents = Documents that everyone sees:
share = For everyone
send-again = I cannot see this document any more; send it again, with the caption: everyone
already-gone = This document is not in the sources any more.
not-fetched = Telegram did not give me this document; please send it again.
privacy =
    What I store: your messages and my answers, your thumbs, corrections and requests for another answer, the documents you send (their text, for this chat only), your role here and your choice about learning. You appear under a pseudonym; e-mail addresses, card, account and phone numbers are taken out of messages before they are stored. Where you are to be told that a correction went live, this chat's number is kept until then; after 👎 or a correction, as long as the answer, so that a better one can be sent to you; after /human, until it ends.

    Who sees it: the operators of this installation. Other people see only answers that an operator approved for everyone.

    Your rights: /export gives you everything in a file, /forget removes it for good, and the buttons below decide whether I may learn from your words. Ask the owner of this bot about anything else.
export = Everything that I have of you, as JSON.
export-in-private = Please write me /export in our private chat; it holds what you said in every chat.
base-version = Version: the base model, which has not been tuned on anything here.
unknown-version = Version: one that is not in my record any more.
unjudged = It was installed by hand, and no gate has judged it.
gate-promote = The gate passed it
gate-reject = The gate rejected it, and an operator promoted it
gate-not-enough-evidence = The gate had too little evidence, and an operator promoted it
no-examples = It learned from no approved answer that everyone may see and that is near this question.
person-wrote-it = A person wrote this answer, no version of mine.
human = I call a person, who sees our last exchange and what you write from now on, under a pseudonym and without e-mail addresses and phone numbers. I stay silent until they hand it back; /reset ends it.
human-called = This chat is with the operators already; what you write here reaches them.
human-nobody = There is nobody here yet who could take this chat over; please ask the owner of this bot.
human-in-private = Please write me /human in our private chat; here, a person would read what everyone writes to me.
human-here = A person has taken this chat over, and reads what you write.
human-says =
    👤 A person answers:

    { $text }
human-over = This chat was handed back to me: I answer again, and know what was said.
human-missed = I am sorry: nobody has the time just now. Your question stays with the operators, and whoever finds the time answers it here. Meanwhile I answer again.
only-text-passed-on = Only text can be passed on between you and the other; please write it.
model-is-silent = This chat is with a person; I answer again when they hand it back, or after /reset.
called = Chat { $chat } asks for a person.
take = Take over
hand-back = Hand back
yours = This chat is yours: reply to its messages here, and hand it back at the end (/back).
holds = Chat { $chat }: { $name } has it.
chat-says =
    💬 Chat { $chat }:

    { $text }
only-operators = Only an operator can do that.
not-in-inbox = This chat is not in the inbox any more.
handed-back = Chat { $chat } is handed back; I answer there again.
ended-by-them = Chat { $chat }: they have ended it, and I answer there again.
passed-on = ✓ Sent.
not-reached = It cannot be sent: they have blocked me, or may not use me any more. The chat is out of the inbox.
which-chat = Send /back in reply to a message of the chat that you hand back.
inbox-empty = The inbox is empty: no chat waits for a person.
amended-after-down = You did not like my answer to this; a person corrected it:
amended-after-correction = You corrected my answer to this; a person has looked at it since, and this is what holds:
broken = Something went wrong on my side; please try again.
trial-model = I run on a small model that comes with me for trying out: it is often wrong, and better where you correct me or send me documents. I speak English best.
not-stored = That was not stored: { $why }
notice = I store your messages, my answers and your feedback under a pseudonym. They are kept for { $days } days, and longer where an answer was approved. The operators of this installation read them. /forget removes all of it.
asks = { $name } asks for access to this bot.
settled-allowed = { $name } may use this bot now.
settled-refused = { $name } was refused access to this bot.
thanks = Thank you, your correction is stored for review.
cited = Sources: { $sources }
passage-cited = { $where } (score { $score }, cited)
passage-not-cited = { $where } (score { $score }, not cited)
reading = I read { $name }…
reading-share = I read { $name }: { $share } %
ready-for-everyone = { $name } is in everyone's sources now, with { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    }. /sources lists and removes documents.
ready-for-chat = { $name } is in this chat's sources now, with { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    }. /sources lists and removes documents.
too-large = { $name } is larger than { $megabytes } MB; split it into parts and send them one by one.
gone-document = { $name } is removed, for good.
document = { $number }. { $name } (passages: { $passages })
more-documents = And { $count } more, which show when some of these are removed.
version = Version { $version } of { $date }, tuned on { $items ->
        [one] { $items } item
       *[other] { $items } items
    } of feedback.
version-of-documents = Version { $version } of { $date }, tuned on { $items ->
        [one] { $items } item
       *[other] { $items } items
    } of feedback and { $chunks ->
        [one] { $chunks } passage
       *[other] { $chunks } passages
    } of documents.
gate-counts = ({ $wins } better, { $losses } worse, { $ties } alike, p = { $p }).
approved-on = An operator approved this answer on { $date }, and I gave it word for word.
examples = It learned from these approved answers to questions near yours:
beyond-messages = Today's limit of { $limit ->
        [one] { $limit } question
       *[other] { $limit } questions
    } is used up.
beyond-tokens = Today's limit of { $limit } tokens (pieces of words) is used up.
beyond-all = What I may do in a day, for all people together, is used up.
ask-again = Please ask again after 00:00 UTC, in { $hours } h { $minutes } min.
used = Today (UTC): questions { $questions }, tokens { $tokens } (pieces of words, read and written). The next day begins in { $hours } h { $minutes } min.
used-by-all = All together: questions { $questions }, tokens { $tokens }. By pseudonym, which /ban takes:
used-by = { $author }: questions { $questions }, tokens { $tokens }
group-closed = I am not meant for this group. Its number, for whoever runs me, is { $group }.
invitation = Whoever opens this link may use the bot. It works for people: { $uses }, days: { $days }.
is-banned = { $user } is banned: I do not answer them and store nothing of what they write. /unban takes it back.
is-not-banned-any-more = { $user } is not banned any more, and may do what they might before.

# What it says to operators.

progress = { $approved } of about { $needed } approved items until the next refresh can be judged; your corrections already answer.
progress-running = A refresh is running; your corrections already answer.
progress-trial = A new version is on trial with some chats, and the next refresh waits for its end; your corrections already answer.
failure-busy = Everybody is being answered and the queue is full; please try again in a few seconds.
failure-engine-unavailable = The assistant is starting or busy elsewhere; please ask again in a moment.
failure-model-not-found = { failure-engine-unavailable }
failure-broke-off = The answer broke off; please ask again.
failure-internal-error = { broken }
failure-not-found = { too-old }
failure-store-unavailable = The database cannot be reached just now; please try again in a moment.
failure-store-full = The database cannot store anything just now; please try again later.
failure-index-damaged = The documents cannot be searched just now; please try again later.
failure-disk-full = The disk is full, and nothing more can be stored until an operator makes room.
failure-context-length-exceeded = The message is too long: { $tokens } tokens, { $fit } fit. Send it in parts, or as a document.
failure-message-empty = The message is empty; write what you want to know.
failure-document-unknown = { $name } is of no known type; Markdown, text, HTML, PDF and DOCX can be read.
failure-document-too-large = { $name } is larger than { $megabytes } MB; split it into parts.
failure-document-too-much = { $name } holds more than I can read; split it into parts.
failure-document-too-many = This chat has { $most } documents already; remove one with /sources first.
failure-document-empty = { $name } holds no text. If it is a scan, run text recognition on it first.
failure-document-not-utf8 = { $name } is not UTF-8 text; save it as UTF-8 and send it again.
failure-document-broken = { $name } cannot be read: it is broken, protected, or of another type.
failure-decided-already = An operator has decided on this already; ask them to change it.
failure-correction-empty = A correction must say something; write what the answer should have been.
failure-correction-too-long = A correction may have { $most } characters, and this one has { $characters }.
failure-own-to-the-chat = This conversation used what is the chat's own: it can be approved for this chat only.
failure-approved-empty = An approved answer cannot be empty; reject it, or write one.
failure-not-edited = No edited answer is in force here.
failure-sent-already = The edited answer was sent already, and is sent once.
failure-not-disliked = Whoever asked gave no 👎 and no correction, so nothing is to be put right.
failure-unreachable = Whoever asked cannot be reached: they asked elsewhere than in Telegram, or too long ago.
operators-command-review = Decide on answers that wait for review
operators-command-adapters = Versions: which exist, and which one answers
operators-command-promote = Let a version answer
operators-command-rollback = Take back the version that came last
operators-command-stats = Answers, thumbs and the queue in figures
operators-command-alerts = Whether I tell you when something happens
operators-command-inbox = Chats that wait for a person
operators-command-back = Hand a chat back to me
operators-command-invite = A link by which people may use me
operators-command-ban = Answer a person no more
operators-command-unban = Answer them again
operators-help =
    As an operator you also have:
    /review shows you, one by one, the answers that people said something about,
    /adapters lists the versions, /promote lets one answer, /rollback takes the last one back,
    /stats shows figures, /alerts decides whether I tell you when something happens,
    /inbox shows who waits for a person, /back hands a chat back to me,
    /invite makes a link for new members, /ban and /unban decide whom I do not answer.
operators-operator = Hello! You are an operator of this bot now: see /help for what you can do.
operators-in-private = Please write me this in our private chat.
operators-nothing-waits = Nothing waits for a decision.
operators-only-skipped = Only what you skipped is left; /review begins anew.
operators-why-told-what-is-wrong = Somebody said what is wrong with it.
operators-why-people-disagree = People disagree about it.
operators-why-first-of-its-kind = It is the first question of its kind.
operators-why-in-turn = It has waited longest.
operators-before = Before:
operators-question = Question:
operators-answer = Answer:
operators-suggestion = Would be approved:
operators-passages = Passages:
operators-thumbs = Thumbs:
operators-other-corrections = Earlier corrections:
operators-approve = ✅ Approve
operators-edit = ✏️ Edit
operators-reject = ❌ Reject
operators-skip = ⏭ Skip
operators-back = ↩️ Back
operators-cancel = Cancel
operators-approve-for-everyone = ✅ For everyone
operators-approve-for-chat = ✅ For this chat
operators-reject-for-everyone = ❌ For everyone
operators-reject-for-chat = ❌ For this chat
operators-approved-everyone = ✅ approved for everyone ↩️ undo
operators-approved-chat = ✅ approved for this chat ↩️ undo
operators-rejected-everyone = ❌ rejected for everyone ↩️ undo
operators-rejected-chat = ❌ rejected for this chat ↩️ undo
operators-for-whom = For whom does this hold?
operators-skipped = Skipped.
operators-undone = Undone: it waits again.
operators-decided-already = This does not wait for a decision any more.
operators-said-meanwhile = Something was said about it meanwhile; please look again.
operators-not-in-force = This decision is not in force any more.
operators-rewrite = Write the answer as it should be, in reply to this message.
operators-the-answer = The answer as it should be
operators-shall-i-approve = Shall I approve this?
operators-not-approved = All right, it is left as it was.
operators-send-edited = ✉️ Send it to who asked
operators-is-sent = It is on its way, under the question that it answers.
operators-no-versions = There is no version yet: the base model answers.
operators-base-live = The base model is live; /promote base returns to it.
operators-status-live = live
operators-status-incoming = about to be live
operators-status-canary = on trial
operators-status-previous = live before; /rollback returns to it
operators-status-candidate = candidate
operators-status-rejected = rejected
operators-status-retired = retired
operators-gate-promote = passed
operators-gate-reject = rejected
operators-gate-not-enough-evidence = not enough evidence
operators-never-judged = Gate: never judged
operators-marked = It learned from somebody who was forgotten since, and never answers again.
operators-cannot-promote = This version learned from somebody who was forgotten since, and is never promoted again. Choose another from /adapters, or wait for the refresh that tunes one without them.
operators-retired = This version was retired and never answers again. Choose another from /adapters.
operators-which-version = Write /promote and the beginning of a version's id, or /promote base; /adapters lists them.
operators-no-such-version = Not exactly one version begins like that; /adapters lists them.
operators-live-already = This version is live already.
operators-nothing-to-roll-back = There is no earlier version to go back to.
operators-promote = Promote
operators-roll-back = Roll back
operators-was-rejected = It was rejected before.
operators-unjudged = No gate has judged it.
operators-moved = Something else moved meanwhile; look at /adapters, and ask again if it is still wanted.
operators-nothing-done = All right, nothing changes.
operators-chart = The picture: thumbs on each of the last 14 days (UTC), 👍 blue, 👎 orange.
operators-queue-empty = Nothing waits for review.
operators-alerts-on = I tell you when a version on trial is taken back, when the review queue grows long, and when the worker falls silent.
operators-alerts-off = I do not tell you when something happens.
operators-mute = 🔕 Do not tell me
operators-unmute = 🔔 Tell me
operators-card-heading = { $waiting } waiting. Answered by version { $version }.
operators-passage = • { $source } (score { $score }): { $excerpt }
operators-standing = Standing: { $status }
operators-trial = It answers { $share } of the chats.
operators-refused = Serving refuses it: { $why }
operators-gate = Gate: { $outcome } ({ $wins } better, { $losses } worse, { $ties } alike)
operators-more-versions = And { $count } older ones.
operators-shall-i-promote = Promote { $version }? All chats are answered by it as soon as every serving process has it; now { $live } is live. Answers that are running end as they began.
operators-trial-ends = The trial of { $version } ends without a verdict.
operators-incoming-replaced = { $version }, which is about to be live, is not installed everywhere yet and stays a candidate.
operators-shall-i-end-trial = Take { $version } back? Its trial ends, it counts as rejected, and { $live } answers every chat.
operators-shall-i-roll-back = Take { $live } back? It counts as rejected, and { $previous } is live again at once.
operators-is-live = Done: { $version } is live.
operators-will-be-live = Done: { $version } is live as soon as every serving process has it.
operators-rolled-back = Done: { $version } is taken back, and { $live } is live.
operators-figures = Answers in the last 24 hours: { $answers }. Thumbs in 14 days: 👍 { $up }, 👎 { $down }.
operators-live-version = Live: { $version }, 👍 { $up }, 👎 { $down }.
operators-on-trial = On trial with { $share } of the chats: { $version }, 👍 { $up }, 👎 { $down }.
operators-queue = Waiting for review: { $waiting }, the oldest since { $hours } h.
operators-digest = 🗓 The last 24 hours
operators-digest-inbox = Waiting for a person: { $count ->
        [one] { $count } chat
       *[other] { $count } chats
    }; /inbox shows them.
operators-digest-answers = Answers: { $today } (the day before: { $before }).
operators-digest-thumbs = Thumbs: 👍 { $up }, 👎 { $down } (the day before: 👍 { $up_before }, 👎 { $down_before }).
operators-digest-live = { $version } answers in place of { $was }.
operators-digest-yours = It learned from your decisions: { $count }.
operators-digest-taken-back = { $version } was taken back.
operators-digest-rejected = The gate rejected { $version }.
operators-digest-failed = A refresh failed: { $why }
operators-digest-on = You get a digest once a day, where there is something to tell.
operators-digest-off = You get no daily digest.
operators-digest-stop = 🔕 No daily digest
operators-digest-start = 🗓 A daily digest
operators-trial-taken-back = ⚠️ The trial of { $version } has ended: it was taken back, and { $live } answers every chat.
operators-trial-taken-back-why = The reason: { $why }
operators-queue-is-long = ⚠️ { $waiting } answers wait for review; /review shows them.
operators-worker-is-silent = ⚠️ The worker has given no sign of life for { $minutes } min: nothing is learned, and no trial is judged, until it runs again. Look at its log.
