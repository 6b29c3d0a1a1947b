# What the bot says to people. Messages with { $values } are filled in; /commands stay as they are in every language.

command-help = Was ich kann
command-stop = Die laufende Antwort abbrechen
command-reset = Ein neues Gespräch beginnen
command-retry = Eine andere Antwort auf deine letzte Frage
command-human = Mit einem Menschen sprechen
command-sources = Die Dokumente, aus denen ich antworte
command-why = Warum ich so geantwortet habe
command-usage = Was du heute verbraucht hast und wie viel du darfst
command-start = Was ich speichere und ob ich daraus lernen darf
command-privacy = Was ich speichere, wie lange, und deine Rechte
command-export = Eine Datei mit allem, was ich von dir habe
command-forget = Alles löschen, was ich von dir habe
command-label = Zu welcher Kategorie ein Text gehört
command-summary = Eine Zusammenfassung eines Textes
command-report = Ein Bericht in der Form, die du nennst
command-code = Code, der ausgeführt und geprüft wird
help =
    Schreib mir eine Frage, und ich beantworte sie. Unter jeder Antwort:
    👍 👎 sagen, ob sie richtig war,
    ✏️ lässt dich schreiben, wie die Antwort hätte lauten sollen (oder antworte einfach auf sie),
    🔄 holt eine andere Antwort,
    {"["}1] zeigt die Textstelle, auf die sie sich stützt.

    Schick mir eine PDF-, DOCX-, Markdown- oder Textdatei, und ich antworte hier daraus; /sources listet deine Dokumente auf und entfernt sie.

    /label ordnet einen Text ein, /summary kürzt ihn, /report schreibt in der Form, die du nennst, /code schreibt ein Programm: mit dem Text hinter dem Befehl oder als Antwort auf eine Nachricht.

    /human ruft einen Menschen. /why erklärt eine Antwort, /reset beginnt ein neues Gespräch, /retry beantwortet die letzte Frage noch einmal, /stop bricht eine laufende Antwort ab, /start und /privacy zeigen, was ich speichere, /export gibt es dir, /forget löscht alles, was ich von dir habe.
welcome = Hallo! Ich bin Apprentice und lerne von den Menschen, für die ich arbeite. Schreib mir eine Frage, oder sieh unter /help nach.
owner = Hallo! Dieser Bot gehört jetzt dir: Du entscheidest, wer ihn sonst noch benutzen darf. Schreib mir eine Frage, oder sieh unter /help nach.
member = Hallo! Du darfst diesen Bot jetzt benutzen. Schreib mir eine Frage, oder sieh unter /help nach.
stranger = Dieser Bot ist privat; du kannst seinen Besitzer um Zugang bitten.
link-used = Dieser Link funktioniert nicht mehr; bitte den Besitzer des Bots um Zugang.
ask = Um Zugang bitten
asked = Deine Anfrage ist abgeschickt; du hörst von mir, sobald der Besitzer entschieden hat.
asked-already = Deine Anfrage wartet noch auf die Entscheidung des Besitzers.
has-access = Du darfst diesen Bot schon benutzen.
allow = Erlauben
refuse = Ablehnen
owner-decides = Das entscheidet nur der Besitzer dieses Bots.
decided-already = Das ist schon entschieden.
refused = Der Besitzer dieses Bots hat dir keinen Zugang gegeben.
too-fast = Du schreibst schneller, als ich antworten darf. Was zu viel ist, lasse ich aus; bitte frag in einer Minute noch einmal.
invite-how = Schreib /invite, auf Wunsch mit der Zahl der Personen (höchstens 1000) und der Tage (höchstens 365), zum Beispiel /invite 5 7.
invite-in-private = Bitte schreib mir /invite in unserem privaten Chat: Wer den Link sieht, darf den Bot benutzen.
withdraw = Zurückziehen
withdrawn = Der Link ist zurückgezogen.
banned = Du darfst diesen Bot nicht mehr benutzen. Bitte wende dich mit allen Fragen an seinen Besitzer, auch zu dem, was der Bot von dir gespeichert hat.
ban-how = Antworte mit diesem Befehl auf eine Nachricht der Person, oder schreib ihre Telegram-ID oder ihr Pseudonym dahinter.
owners-stay = Der Besitzer dieses Bots kann nicht gesperrt werden.
not-banned = Diese Person ist nicht gesperrt.
inline-stranger = Dieser Bot ist privat: um Zugang bitten
inline-untold = Bitte schreib mir zuerst in unserem eigenen Chat
inline-beyond = Das übersteigt dein Limit: siehe /usage
inline-failed = Ich kann gerade nicht antworten; bitte versuch es noch mal
yes = Ja, lern von mir
no = Nein, nur antworten
consent-ask = Darf ich aus dem lernen, was du schreibst? Ich antworte dir so oder so.
consent-yes = Du hast mir erlaubt, aus dem zu lernen, was du schreibst. Das kannst du hier jederzeit ändern.
consent-no = Ich antworte dir und lerne nicht aus dem, was du schreibst. Das kannst du hier jederzeit ändern.
consent-noted-yes = Danke! Ich darf aus dem lernen, was du schreibst.
consent-noted-no = Ich lerne nicht aus dem, was du schreibst.
forget = Ich lösche endgültig: deine Nachrichten, meine Antworten darauf, deine Rückmeldungen, was daraus freigegeben wurde, die Dokumente, die du in einen Chat geschickt hast, und deinen Zugang. Was ich gelernt habe, wird ohne all das neu trainiert. Den Chat selbst kannst du nur in Telegram löschen.
forget-me = Vergiss mich
keep = Alles behalten
forgetting = Ich lösche es…
forgotten = Erledigt: Ich habe nichts mehr von dir. Wenn du mir wieder schreiben willst, bitte den Besitzer um Zugang.
nothing-known = Ich habe nichts von dir.
kept = Gut, ich behalte alles.
forget-in-private = Bitte schreib mir /forget in unserem privaten Chat; es geht um alles, was du gesagt hast, in jedem Chat.
good = Danke! Als richtig vermerkt.
bad = Als nicht richtig vermerkt. Was hat nicht gestimmt?
bad-for-another = Als nicht richtig vermerkt.
taken-back = Zurückgenommen.
noted-good = 👍 ↩️ zurücknehmen
noted-bad = 👎 ↩️ zurücknehmen
reason-wrong = Falsch
reason-not-helpful = Nicht hilfreich
reason-too-long = Zu lang
reason-unsafe = Bedenklich
reason-other = Etwas anderes
reason-noted = Danke! Mit ✏️ kannst du schreiben, was richtig gewesen wäre.
for-the-asker = Das kann nur, wer die Frage gestellt hat.
write-it = Wie hätte die Antwort lauten sollen? Schreib sie jetzt (in einer Gruppe als Antwort auf diese Nachricht); /stop, wenn nicht.
correction = Die richtige Antwort
shall-i-send = Soll ich das als richtige Antwort einsenden?
send = Senden
cancel = Abbrechen
it-is-a-question = Das ist eine Frage
take-back = Zurücknehmen
live = Danke! Seit { $time } antworte ich darauf so, wie du es vorgeschlagen hast.
for-the-writer = Das kann nur, wer es geschrieben hat, und nur einen Tag lang.
again = Ich versuche es noch einmal.
too-old = Diese Antwort ist älter als mein Gedächtnis; bitte frag noch einmal.
unknown-button = Dieser Knopf funktioniert nicht mehr.
only-text = Ich kann nur Text lesen; bitte schreib es mir.
no-voice = Ich kann nur Text lesen und verstehe keine Aufnahmen; bitte schreib es mir.
no-pictures = Ich kann nur Text lesen und verstehe keine Bilder; bitte schreib mir, was du wissen willst.
album = Ich kann nur Text lesen und lasse Alben aus; bitte schreib mir, was du wissen willst.
file-not-fetched = Telegram hat mir diese Datei nicht gegeben; bitte schick sie noch einmal.
failure-not-heard = Ich konnte das gerade nicht anhören; bitte schreib es, oder versuch es später noch einmal.
nothing-heard = Ich habe darin keine Worte gehört; bitte schreib es mir.
failure-not-seen = Ich konnte mir das gerade nicht ansehen; bitte schreib mir, was du wissen willst, oder versuch es später noch einmal.
about-picture = Was ist auf diesem Bild zu sehen?
late = Ich war nicht da, als du geschrieben hast, und auf Altes antworte ich nicht; bitte frag noch einmal, was du noch wissen willst.
nothing-to-retry = Es gibt nichts, was ich noch einmal beantworten könnte; bitte frag mich etwas.
unknown-command = Diesen Befehl kenne ich nicht; siehe /help.
reset = Wir fangen neu an: Was vorher gesagt wurde, beachte ich nicht mehr.
stopped = Abgebrochen.
not-awaited = Gut, keine Korrektur.
nothing-runs = Gerade läuft keine Antwort.
stopped-unsaid = Abgebrochen, bevor ich etwas gesagt habe; bitte frag noch einmal.
no-words = Darauf habe ich keine Antwort; bitte frag mit anderen Worten.
unrecorded = Diese Antwort konnte nicht gespeichert werden, deshalb lässt sie sich nicht bewerten.
task-needs-text = Schreib den Text hinter den Befehl, oder antworte mit dem Befehl auf eine Nachricht.
unsure = Ich bin nicht sicher, welche Kategorie richtig ist. Tipp sie an, oder schreib sie als Korrektur (✏️).
label-noted = Vermerkt: { $label }.
outcome-supported = ✓ Die Quellen stützen die ganze Antwort.
outcome-partly-supported = Die Quellen stützen { $supported } von { $total } Sätzen, die ich schrieb; die übrigen fehlen.
outcome-unsupported = Die Quellen stützen nichts von dem, was ich schrieb.
outcome-no-sources = Für diese Antwort fand ich keine Quelle.
outcome-faithful = ✓ Kurz genug, und jede Zahl, jedes Datum und jeder Name steht im Text.
outcome-too-long = Zu lang: { $length }, erlaubt sind höchstens { $limit }.
outcome-invented = Steht nicht im Text: { $facts }.
outcome-no-summary = Eine Zusammenfassung fehlt.
outcome-valid = ✓ Der Bericht hat seine Form.
outcome-no-json = Der Bericht ist kein vollständiges JSON.
outcome-misfit = Der Bericht passt bei { $field } nicht zu seiner Form.
outcome-all-sections = ✓ Alle Abschnitte sind da.
outcome-sections-missing = Fehlt oder ist leer: { $sections }.
outcome-ran = ✓ Lief in { $seconds } s.
outcome-passed = ✓ Lief in { $seconds } s und bestand seine Tests.
outcome-no-code = In dieser Antwort steht kein Python-Programm.
outcome-syntax = ✗ Es lässt sich nicht lesen: { $error }
outcome-failed = ✗ Es schlug fehl: { $error }
outcome-test-failed = ✗ Es besteht seine Tests nicht: { $error }
outcome-timeout = ✗ Es lief zu lange und wurde beendet.
outcome-memory = ✗ Es brauchte zu viel Speicher und wurde beendet.
outcome-output = ✗ Es schrieb zu viel und wurde beendet.
outcome-processes = ✗ Es wollte einen weiteren Prozess oder zu viele Threads und wurde beendet.
outcome-refused = ✗ Es wollte, was Programme hier nicht dürfen: { $error }
outcome-not-run = Es wurde nicht ausgeführt: { $error }
outcome-busy = Es wurde nicht ausgeführt: Zu viele Programme haben gewartet. Frag später noch einmal.
checked = ✓ von einem Menschen geprüft
not-sure = Ich bin mir bei dieser Antwort nicht sicher.
no-answer-yet = In diesem Gespräch gibt es noch keine Antwort.
no-sources = Diese Antwort stützt sich auf keine Quellen.
no-such-passage = Diese Textstelle habe ich nicht mehr gespeichert.
no-documents = Hier gibt es noch keine Dokumente: Schick mir eine PDF-, DOCX-, Markdown- oder Textdatei, und ich antworte daraus.
own-documents = Dokumente dieses Chats, die kein anderer Chat sieht:
shared-documents = Dokumente, die alle sehen:
share = Für alle
send-again = Ich sehe dieses Dokument nicht mehr; schick es noch einmal, mit der Beschriftung: everyone
already-gone = Dieses Dokument ist nicht mehr in den Quellen.
not-fetched = Telegram hat mir dieses Dokument nicht gegeben; bitte schick es noch einmal.
privacy =
    Was ich speichere: deine Nachrichten und meine Antworten, deine Bewertungen, Korrekturen und Bitten um eine andere Antwort, die Dokumente, die du schickst (ihren Text, nur für diesen Chat), deine Rolle hier und ob ich von dir lernen darf. Du erscheinst unter einem Pseudonym; E-Mail-Adressen sowie Karten-, Konto- und Telefonnummern werden aus Nachrichten entfernt, bevor sie gespeichert werden. Sollst du erfahren, dass eine Korrektur gilt, bleibt die ID dieses Chats bis dahin gespeichert; nach 👎 oder einer Korrektur so lange wie die Antwort, damit du eine bessere bekommen kannst; nach /human, bis es endet.

    Wer es sieht: die Operatoren dieser Installation. Andere sehen nur Antworten, die ein Operator für alle freigegeben hat.

    Deine Rechte: /export gibt dir alles in einer Datei, /forget löscht es endgültig, und mit den Knöpfen unten entscheidest du, ob ich aus dem lernen darf, was du schreibst. Mit allem anderen wende dich an den Besitzer dieses Bots.
export = Alles, was ich von dir habe, als JSON.
export-in-private = Bitte schreib mir /export in unserem privaten Chat; die Datei enthält, was du in allen Chats gesagt hast.
base-version = Version: das Basismodell, das hier nicht weiter trainiert wurde.
unknown-version = Version: eine, die ich nicht mehr gespeichert habe.
unjudged = Sie wurde von Hand installiert und hat keine Prüfung durchlaufen.
gate-promote = Sie hat die Prüfung bestanden
gate-reject = Sie hat die Prüfung nicht bestanden, und ein Operator hat sie aktiviert
gate-not-enough-evidence = Für die Prüfung gab es zu wenig Belege, und ein Operator hat sie aktiviert
no-examples = Sie hat aus keiner freigegebenen Antwort gelernt, die alle sehen dürfen und deren Frage dieser ähnelt.
person-wrote-it = Diese Antwort hat ein Mensch geschrieben, keine meiner Versionen.
human = Ich rufe einen Menschen. Er sieht unseren letzten Wortwechsel und was du von jetzt an schreibst, unter einem Pseudonym und ohne E-Mail-Adressen und Telefonnummern. Ich schweige, bis er mir den Chat zurückgibt; /reset beendet es.
human-called = Dieser Chat ist schon bei den Operatoren; was du hier schreibst, kommt bei ihnen an.
human-nobody = Noch ist niemand da, der diesen Chat übernehmen könnte; bitte wende dich an den Besitzer dieses Bots.
human-in-private = Bitte schreib mir /human in unserem privaten Chat; hier würde ein Mensch mitlesen, was alle mir schreiben.
human-here = Ein Mensch hat diesen Chat übernommen und liest, was du schreibst.
human-says =
    👤 Ein Mensch antwortet:

    { $text }
human-over = Ich habe diesen Chat zurückbekommen: Ich antworte wieder und weiß, was gesagt wurde.
human-missed = Es tut mir leid: Gerade hat niemand Zeit. Deine Frage bleibt bei den Operatoren, und wer Zeit findet, beantwortet sie hier. Bis dahin antworte ich wieder.
only-text-passed-on = Zwischen euch kann ich nur Text weitergeben; bitte schreib es.
model-is-silent = In diesem Chat antwortet gerade ein Mensch; ich antworte wieder, wenn ich ihn zurückbekomme, oder nach /reset.
called = Chat { $chat } möchte mit einem Menschen sprechen.
take = Übernehmen
hand-back = Zurückgeben
yours = Der Chat gehört jetzt dir: Antworte hier auf seine Nachrichten, und gib ihn am Ende zurück (/back).
holds = Chat { $chat }: { $name } kümmert sich darum.
chat-says =
    💬 Chat { $chat }:

    { $text }
only-operators = Das kann nur ein Operator.
not-in-inbox = Dieser Chat ist nicht mehr im Posteingang.
handed-back = Chat { $chat } ist zurückgegeben; ich antworte dort wieder.
ended-by-them = Chat { $chat }: Das Gespräch wurde dort beendet, und ich antworte wieder.
passed-on = ✓ Gesendet.
not-reached = Das lässt sich nicht senden: Die Person hat mich blockiert oder darf mich nicht mehr benutzen. Der Chat ist aus dem Posteingang entfernt.
which-chat = Schick /back als Antwort auf eine Nachricht des Chats, den du zurückgibst.
inbox-empty = Der Posteingang ist leer: Kein Chat wartet auf einen Menschen.
amended-after-down = Meine Antwort hierauf hat dir nicht gefallen; ein Mensch hat sie korrigiert:
amended-after-correction = Du hast meine Antwort hierauf korrigiert; inzwischen hat ein Mensch sie sich angesehen, und jetzt gilt:
broken = Bei mir ist etwas schiefgegangen; bitte versuch es noch einmal.
trial-model = Ich laufe mit einem kleinen Modell, das zum Ausprobieren dabei ist: Es irrt sich oft, aber weniger, wo du mich korrigierst oder mir Dokumente schickst. Am besten spreche ich Englisch.
not-stored = Das wurde nicht gespeichert: { $why }
notice = Ich speichere deine Nachrichten, meine Antworten und deine Rückmeldungen unter einem Pseudonym. Sie bleiben { $days ->
        [one] { $days } Tag
       *[other] { $days } Tage
    } gespeichert, und länger, wenn eine Antwort freigegeben wurde. Die Operatoren dieser Installation lesen sie. /forget löscht alles.
asks = { $name } bittet um Zugang zu diesem Bot.
settled-allowed = { $name } darf diesen Bot jetzt benutzen.
settled-refused = { $name } bekommt keinen Zugang zu diesem Bot.
thanks = Danke, deine Korrektur ist gespeichert und wartet auf Durchsicht.
cited = Quellen: { $sources }
passage-cited = { $where } (Relevanz { $score }, zitiert)
passage-not-cited = { $where } (Relevanz { $score }, nicht zitiert)
reading = Ich lese { $name }…
reading-share = Ich lese { $name }: { $share } %
ready-for-everyone = { $name } gehört jetzt zu den Quellen für alle, mit { $passages ->
        [one] { $passages } Textstelle
       *[other] { $passages } Textstellen
    }. /sources listet Dokumente auf und entfernt sie.
ready-for-chat = { $name } gehört jetzt zu den Quellen dieses Chats, mit { $passages ->
        [one] { $passages } Textstelle
       *[other] { $passages } Textstellen
    }. /sources listet Dokumente auf und entfernt sie.
too-large = { $name } ist größer als { $megabytes } MB; teil es auf, und schick mir die Teile einzeln.
gone-document = { $name } ist endgültig entfernt.
document = { $number }. { $name } (Textstellen: { $passages })
more-documents = Und { $count ->
        [one] { $count } weiteres, das erscheint, wenn du hier welche entfernst
       *[other] { $count } weitere, die erscheinen, wenn du hier welche entfernst
    }.
version = Version { $version } vom { $date }, trainiert mit { $items ->
        [one] { $items } Rückmeldung
       *[other] { $items } Rückmeldungen
    }.
version-of-documents = Version { $version } vom { $date }, trainiert mit { $items ->
        [one] { $items } Rückmeldung
       *[other] { $items } Rückmeldungen
    } und { $chunks ->
        [one] { $chunks } Textstelle
       *[other] { $chunks } Textstellen
    } aus Dokumenten.
gate-counts = ({ $wins } besser, { $losses } schlechter, { $ties } gleich, p = { $p }).
approved-on = Ein Operator hat diese Antwort am { $date } freigegeben, und ich habe sie wörtlich wiedergegeben.
examples = Sie hat aus diesen freigegebenen Antworten auf ähnliche Fragen gelernt:
beyond-messages = Das heutige Limit von { $limit ->
        [one] { $limit } Frage
       *[other] { $limit } Fragen
    } ist aufgebraucht.
beyond-tokens = Das heutige Limit von { $limit } Tokens (Wortteilen) ist aufgebraucht.
beyond-all = Was ich an einem Tag für alle zusammen leisten darf, ist aufgebraucht.
ask-again = Bitte frag nach 00:00 UTC noch einmal, in { $hours } h { $minutes } min.
used = Heute (UTC): Fragen { $questions }, Tokens { $tokens } (Wortteile, gelesen und geschrieben). Der nächste Tag beginnt in { $hours } h { $minutes } min.
used-by-all = Alle zusammen: Fragen { $questions }, Tokens { $tokens }. Nach Pseudonymen, die du auch bei /ban angeben kannst:
used-by = { $author }: Fragen { $questions }, Tokens { $tokens }
group-closed = Für diese Gruppe bin ich nicht gedacht. Wer mich betreibt, findet hier ihre ID: { $group }.
invitation = Wer diesen Link öffnet, darf den Bot benutzen. Er gilt für { $uses ->
        [one] { $uses } Person
       *[other] { $uses } Personen
    } und { $days ->
        [one] { $days } Tag
       *[other] { $days } Tage
    }.
is-banned = { $user } ist gesperrt: Ich antworte dieser Person nicht und speichere nichts von dem, was sie schreibt. /unban hebt das auf.
is-not-banned-any-more = { $user } ist nicht mehr gesperrt und darf wieder, was vorher erlaubt war.

# What it says to operators.

progress = { $approved } von etwa { $needed } freigegebenen Antworten, bis die nächste Auffrischung beurteilt werden kann; mit deinen Korrekturen wird schon geantwortet.
progress-running = Eine Auffrischung läuft; mit deinen Korrekturen wird schon geantwortet.
progress-trial = Eine neue Version wird in einigen Chats erprobt, und die nächste Auffrischung wartet auf das Ende der Probe; mit deinen Korrekturen wird schon geantwortet.
failure-busy = Ich antworte gerade vielen, und die Warteschlange ist voll; bitte versuch es in ein paar Sekunden noch einmal.
failure-engine-unavailable = Der Assistent startet gerade oder ist anderweitig beschäftigt; bitte frag gleich noch einmal.
failure-model-not-found = { failure-engine-unavailable }
failure-broke-off = Die Antwort ist abgebrochen; bitte frag noch einmal.
failure-internal-error = { broken }
failure-not-found = { too-old }
failure-store-unavailable = Die Datenbank ist gerade nicht erreichbar; bitte versuch es gleich noch einmal.
failure-store-full = Die Datenbank kann gerade nichts speichern; bitte versuch es später noch einmal.
failure-index-damaged = Die Dokumente lassen sich gerade nicht durchsuchen; bitte versuch es später noch einmal.
failure-disk-full = Die Festplatte ist voll; bis jemand Platz schafft, kann nichts mehr gespeichert werden.
failure-context-length-exceeded = Die Nachricht ist zu lang: { $tokens } Token, { $fit } passen. Schick sie in Teilen oder als Dokument.
failure-message-empty = Die Nachricht ist leer; schreib, was du wissen möchtest.
failure-document-unknown = Diese Art von Datei kenne ich nicht: { $name }. Ich lese Markdown, Text, HTML, PDF und DOCX.
failure-document-too-large = { $name } ist größer als { $megabytes } MB; teil es auf.
failure-document-too-much = { $name } enthält mehr, als ich lesen kann; teil es auf.
failure-document-too-many = Dieser Chat hat schon { $most } Dokumente; entferne erst eines mit /sources.
failure-document-empty = { $name } enthält keinen Text. Falls es gescannt ist, lass erst eine Texterkennung darüber laufen.
failure-document-not-utf8 = { $name } ist kein UTF-8-Text; speichere es als UTF-8, und schick es noch einmal.
failure-document-broken = { $name } lässt sich nicht lesen: Es ist beschädigt, geschützt oder von anderer Art.
failure-decided-already = Darüber wurde schon entschieden; bitte die Person, die entschieden hat, es zu ändern.
failure-correction-empty = Eine Korrektur muss etwas sagen; schreib, wie die Antwort hätte lauten sollen.
failure-correction-too-long = Eine Korrektur darf { $most } Zeichen haben, und diese hat { $characters }.
failure-own-to-the-chat = In diesem Gespräch wurde verwendet, was nur diesem Chat gehört: Es kann nur für diesen Chat freigegeben werden.
failure-approved-empty = Eine freigegebene Antwort darf nicht leer sein; lehne sie ab, oder schreib eine.
failure-not-edited = Hier gilt keine überarbeitete Antwort.
failure-sent-already = Die überarbeitete Antwort wurde schon geschickt; das geht nur einmal.
failure-not-disliked = Wer gefragt hat, gab weder 👎 noch eine Korrektur; es gibt nichts richtigzustellen.
failure-unreachable = Wer gefragt hat, ist nicht erreichbar: Die Frage kam nicht über Telegram, oder sie ist zu lange her.
operators-command-review = Über Antworten entscheiden, die auf Durchsicht warten
operators-command-adapters = Versionen: welche es gibt und welche antwortet
operators-command-promote = Eine Version antworten lassen
operators-command-rollback = Die letzte Version zurücknehmen
operators-command-stats = Antworten, Daumen und Warteschlange in Zahlen
operators-command-alerts = Ob ich dir melde, wenn etwas passiert
operators-command-inbox = Chats, die auf einen Menschen warten
operators-command-back = Mir einen Chat zurückgeben
operators-command-invite = Ein Link, mit dem andere mich benutzen dürfen
operators-command-ban = Einer Person nicht mehr antworten
operators-command-unban = Ihr wieder antworten
operators-help =
    Als Operator hast du außerdem:
    /review zeigt dir nacheinander die Antworten, zu denen jemand etwas gesagt hat,
    /adapters listet die Versionen auf, /promote lässt eine antworten, /rollback nimmt die letzte zurück,
    /stats zeigt Zahlen, /alerts legt fest, ob ich dir melde, wenn etwas passiert,
    /inbox zeigt, wer auf einen Menschen wartet, /back gibt mir einen Chat zurück,
    /invite erstellt einen Link für neue Mitglieder, /ban und /unban legen fest, wem ich nicht antworte.
operators-operator = Hallo! Du bist jetzt Operator dieses Bots: Unter /help steht, was du tun kannst.
operators-in-private = Bitte schreib mir das in unserem privaten Chat.
operators-nothing-waits = Nichts wartet auf eine Entscheidung.
operators-only-skipped = Übrig ist nur, was du übersprungen hast; /review fängt von vorn an.
operators-why-told-what-is-wrong = Jemand hat gesagt, was daran falsch ist.
operators-why-people-disagree = Die Meinungen dazu gehen auseinander.
operators-why-first-of-its-kind = Es ist die erste Frage dieser Art.
operators-why-in-turn = Sie wartet am längsten.
operators-before = Davor:
operators-question = Frage:
operators-answer = Antwort:
operators-suggestion = Freigegeben würde:
operators-passages = Textstellen:
operators-thumbs = Daumen:
operators-other-corrections = Frühere Korrekturen:
operators-approve = ✅ Freigeben
operators-edit = ✏️ Bearbeiten
operators-reject = ❌ Ablehnen
operators-skip = ⏭ Überspringen
operators-back = ↩️ Zurück
operators-cancel = Abbrechen
operators-approve-for-everyone = ✅ Für alle
operators-approve-for-chat = ✅ Für diesen Chat
operators-reject-for-everyone = ❌ Für alle
operators-reject-for-chat = ❌ Für diesen Chat
operators-approved-everyone = ✅ für alle freigegeben ↩️ rückgängig
operators-approved-chat = ✅ für diesen Chat freigegeben ↩️ rückgängig
operators-rejected-everyone = ❌ für alle abgelehnt ↩️ rückgängig
operators-rejected-chat = ❌ für diesen Chat abgelehnt ↩️ rückgängig
operators-for-whom = Für wen gilt das?
operators-skipped = Übersprungen.
operators-undone = Rückgängig gemacht: Es wartet wieder.
operators-decided-already = Das wartet nicht mehr auf eine Entscheidung.
operators-said-meanwhile = Inzwischen hat jemand etwas dazu gesagt; bitte sieh es dir noch einmal an.
operators-not-in-force = Diese Entscheidung gilt nicht mehr.
operators-rewrite = Schreib als Antwort auf diese Nachricht, wie die Antwort lauten soll.
operators-the-answer = Die Antwort, wie sie sein soll
operators-shall-i-approve = Soll ich das freigeben?
operators-not-approved = Gut, es bleibt, wie es war.
operators-send-edited = ✉️ An Fragesteller schicken
operators-is-sent = Sie ist unterwegs und erscheint unter der Frage, die sie beantwortet.
operators-no-versions = Es gibt noch keine Version: Das Basismodell antwortet.
operators-base-live = Das Basismodell ist aktiv; /promote base kehrt zu ihm zurück.
operators-status-live = aktiv
operators-status-incoming = wird gleich aktiv
operators-status-canary = im Probelauf
operators-status-previous = vorher aktiv; /rollback kehrt zu ihr zurück
operators-status-candidate = Kandidat
operators-status-rejected = abgelehnt
operators-status-retired = ausgemustert
operators-gate-promote = bestanden
operators-gate-reject = nicht bestanden
operators-gate-not-enough-evidence = zu wenig Belege
operators-never-judged = Prüfung: nie durchlaufen
operators-marked = Sie hat von jemandem gelernt, dessen Daten inzwischen gelöscht sind, und antwortet nie wieder.
operators-cannot-promote = Diese Version hat von jemandem gelernt, dessen Daten inzwischen gelöscht sind, und wird nie wieder aktiviert. Nimm eine andere aus /adapters, oder warte auf das Training, aus dem eine Version ohne diese Daten entsteht.
operators-retired = Diese Version ist ausgemustert und antwortet nie wieder. Nimm eine andere aus /adapters.
operators-which-version = Schreib /promote und den Anfang einer Versions-ID, oder /promote base; /adapters listet die Versionen auf.
operators-no-such-version = Zu diesem Anfang passt keine Version oder mehr als eine; /adapters listet sie auf.
operators-live-already = Diese Version ist schon aktiv.
operators-nothing-to-roll-back = Es gibt keine frühere Version, zu der ich zurückkehren könnte.
operators-promote = Aktivieren
operators-roll-back = Zurücknehmen
operators-was-rejected = Sie wurde früher schon abgelehnt.
operators-unjudged = Sie hat keine Prüfung durchlaufen.
operators-moved = Inzwischen hat sich etwas geändert; sieh unter /adapters nach, und versuch es noch einmal, wenn du es noch willst.
operators-nothing-done = Gut, alles bleibt, wie es ist.
operators-chart = Das Bild: Daumen an jedem der letzten 14 Tage (UTC), 👍 blau, 👎 orange.
operators-queue-empty = Nichts wartet auf Durchsicht.
operators-alerts-on = Ich melde mich, wenn eine Version im Probelauf zurückgenommen wird, wenn sich viele Antworten zur Durchsicht ansammeln und wenn der Worker verstummt, der mich trainiert.
operators-alerts-off = Ich melde mich nicht, wenn etwas passiert.
operators-mute = 🔕 Nicht melden
operators-unmute = 🔔 Melden
operators-card-heading = In der Warteschlange: { $waiting }. Geantwortet hat Version { $version }.
operators-passage = • { $source } (Relevanz { $score }): { $excerpt }
operators-standing = Stand: { $status }
operators-trial = Sie beantwortet { $share } der Chats.
operators-refused = Der Antwortdienst nimmt sie nicht an: { $why }
operators-gate = Prüfung: { $outcome } ({ $wins } besser, { $losses } schlechter, { $ties } gleich)
operators-more-versions = Und { $count } ältere.
operators-shall-i-promote = { $version } aktivieren? Sie beantwortet alle Chats, sobald jeder Antwortdienst sie hat; jetzt ist { $live } aktiv. Laufende Antworten enden so, wie sie begonnen haben.
operators-trial-ends = Der Probelauf von { $version } endet ohne Urteil.
operators-incoming-replaced = { $version }, die gleich aktiv werden sollte, ist noch nicht überall installiert und bleibt Kandidat.
operators-shall-i-end-trial = { $version } zurücknehmen? Ihr Probelauf endet, sie gilt als abgelehnt, und { $live } beantwortet alle Chats.
operators-shall-i-roll-back = { $live } zurücknehmen? Sie gilt dann als abgelehnt, und { $previous } ist sofort wieder aktiv.
operators-is-live = Erledigt: { $version } ist aktiv.
operators-will-be-live = Erledigt: { $version } ist aktiv, sobald jeder Antwortdienst sie hat.
operators-rolled-back = Erledigt: { $version } ist zurückgenommen, und { $live } ist aktiv.
operators-figures = Antworten in den letzten 24 Stunden: { $answers }. Daumen in 14 Tagen: 👍 { $up }, 👎 { $down }.
operators-live-version = Aktiv: { $version }, 👍 { $up }, 👎 { $down }.
operators-on-trial = Im Probelauf mit { $share } der Chats: { $version }, 👍 { $up }, 👎 { $down }.
operators-queue = Warten auf Durchsicht: { $waiting }, am längsten seit { $hours } h.
operators-digest = 🗓 Die letzten 24 Stunden
operators-digest-inbox = Warten auf einen Menschen: { $count ->
        [one] { $count } Chat
       *[other] { $count } Chats
    }; /inbox zeigt sie.
operators-digest-answers = Antworten: { $today } (am Tag davor: { $before }).
operators-digest-thumbs = Daumen: 👍 { $up }, 👎 { $down } (am Tag davor: 👍 { $up_before }, 👎 { $down_before }).
operators-digest-live = { $version } antwortet anstelle von { $was }.
operators-digest-yours = Sie hat aus deinen Entscheidungen gelernt: { $count }.
operators-digest-taken-back = { $version } wurde zurückgenommen.
operators-digest-rejected = { $version } hat die Prüfung nicht bestanden.
operators-digest-failed = Ein Training ist fehlgeschlagen: { $why }
operators-digest-on = Du bekommst einmal am Tag eine Übersicht, wenn es etwas zu sagen gibt.
operators-digest-off = Du bekommst keine tägliche Übersicht.
operators-digest-stop = 🔕 Keine tägliche Übersicht
operators-digest-start = 🗓 Tägliche Übersicht
operators-trial-taken-back = ⚠️ Der Probelauf von { $version } ist beendet: Sie wurde zurückgenommen, und { $live } beantwortet alle Chats.
operators-trial-taken-back-why = Der Grund: { $why }
operators-queue-is-long = ⚠️ { $waiting ->
        [one] { $waiting } Antwort wartet
       *[other] { $waiting } Antworten warten
    } auf Durchsicht; /review zeigt sie.
operators-worker-is-silent = ⚠️ Der Worker, der mich trainiert, hat seit { $minutes } min kein Lebenszeichen gegeben: Bis er wieder läuft, lerne ich nichts, und kein Probelauf wird beurteilt. Sieh in sein Log.
