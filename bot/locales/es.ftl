# What the bot says to people. Messages with { $values } are filled in; /commands stay as they are in every language.

command-help = Qué puedo hacer
command-stop = Detener la respuesta en curso
command-reset = Empezar una conversación nueva
command-retry = Otra respuesta a tu última pregunta
command-human = Hablar con una persona
command-sources = Los documentos en los que me baso
command-why = Por qué respondí así
command-usage = Cuánto has usado hoy y cuánto puedes usar
command-start = Qué guardo y si puedo aprender de ello
command-privacy = Qué guardo, cuánto tiempo, y tus derechos
command-export = Un archivo con todo lo que tengo de ti
command-forget = Borrar todo lo que tengo de ti
command-label = A qué categoría pertenece un texto
command-summary = Un resumen de un texto
command-report = Un informe con la forma que indiques
command-code = Código que se ejecuta y se prueba
help =
    Escríbeme una pregunta y te respondo. Debajo de cada respuesta:
    👍 👎 dicen si estuvo bien,
    ✏️ te deja escribir cómo debería haber sido (o simplemente contesta a ese mensaje),
    🔄 pide otra respuesta,
    {"["}1] muestra el fragmento que cita.

    Envíame un archivo PDF, DOCX, Markdown o de texto, y me basaré en él para responderte aquí; /sources muestra tus documentos y te deja quitarlos.

    /label clasifica un texto, /summary lo resume, /report escribe con la forma que indiques, /code escribe un programa: con el texto después del comando o como respuesta a un mensaje.

    /human llama a una persona. /why explica una respuesta, /reset empieza una conversación nueva, /retry vuelve a responder a la última pregunta, /stop detiene una respuesta en curso, /start y /privacy muestran lo que guardo, /export te lo entrega, /forget borra todo lo que tengo de ti.
welcome = ¡Hola! Soy Apprentice y aprendo de las personas para las que trabajo. Escríbeme una pregunta o mira /help.
owner = ¡Hola! Este bot ya es tuyo: tú decides quién más puede usarlo. Escríbeme una pregunta o mira /help.
member = ¡Hola! Ya puedes usar este bot. Escríbeme una pregunta o mira /help.
stranger = Este bot es privado; puedes pedirle acceso a su propietario.
link-used = Este enlace ya no funciona; pídele acceso al propietario del bot.
ask = Pedir acceso
asked = Tu solicitud está enviada; te avisaré cuando el propietario decida.
asked-already = Tu solicitud está a la espera de que decida el propietario.
has-access = Ya puedes usar este bot.
allow = Permitir
refuse = Rechazar
owner-decides = Eso solo lo decide el propietario de este bot.
decided-already = Esto ya está decidido.
refused = El propietario de este bot no te dio acceso.
too-fast = Escribes más rápido de lo que puedo responder. Dejo sin responder lo que sobra; vuelve a preguntármelo dentro de un minuto.
invite-how = Escribe /invite solo, o seguido del número de personas (1000 como máximo) y de días (365 como máximo), por ejemplo /invite 5 7.
invite-in-private = Escríbeme /invite en nuestro chat privado: quien vea el enlace podrá usar el bot.
withdraw = Anular enlace
withdrawn = El enlace quedó anulado.
banned = Ya no puedes usar este bot. Para cualquier cosa, también sobre lo que el bot tiene de ti, habla con su propietario.
ban-how = Usa este comando como respuesta a uno de sus mensajes, o escribe detrás su ID de Telegram o su seudónimo.
owners-stay = No se puede bloquear al propietario de este bot.
not-banned = Esa persona no está bloqueada.
inline-stranger = Este bot es privado: pide acceso
inline-untold = Primero escríbeme en nuestro chat
inline-beyond = Eso supera tu límite: mira /usage
inline-failed = Ahora no puedo responder; prueba otra vez
yes = Sí, puedes aprender
no = No, solo responde
consent-ask = ¿Puedo aprender de lo que escribes? Te respondo en cualquier caso.
consent-yes = Me permites aprender de lo que escribes. Puedes cambiarlo aquí cuando quieras.
consent-no = Te respondo, pero no aprendo de lo que escribes. Puedes cambiarlo aquí cuando quieras.
consent-noted-yes = ¡Gracias! Aprenderé de lo que escribes.
consent-noted-no = No aprenderé de lo que escribes.
forget = Borro para siempre tus mensajes, mis respuestas, tus comentarios, lo que se aprobó a partir de ellos, los documentos que enviaste a un chat y tu acceso. Lo que aprendí se vuelve a entrenar sin nada de eso. Este chat en sí solo puedes borrarlo en Telegram.
forget-me = Olvídame
keep = Conservar todo
forgetting = Lo estoy borrando…
forgotten = Listo: ya no tengo nada de ti. Si quieres volver a escribirme, pídele acceso al propietario.
nothing-known = No tengo nada de ti.
kept = De acuerdo, lo conservo todo.
forget-in-private = Escríbeme /forget en nuestro chat privado; abarca todo lo que dijiste, en todos los chats.
good = ¡Gracias! Anoto que estuvo bien.
bad = Anoto que no estuvo bien. ¿Qué falló?
bad-for-another = Anoto que no estuvo bien.
taken-back = Deshecho.
noted-good = 👍 ↩️ deshacer
noted-bad = 👎 ↩️ deshacer
reason-wrong = Incorrecta
reason-not-helpful = No ayuda
reason-too-long = Demasiado larga
reason-unsafe = Peligrosa
reason-other = Otro motivo
reason-noted = ¡Gracias! Con ✏️ puedes escribir qué habría sido lo correcto.
for-the-asker = Esto es solo para quien hizo la pregunta.
write-it = ¿Cuál debería haber sido la respuesta? Escríbela ahora (en un grupo, como respuesta a este mensaje); /stop si prefieres que no.
correction = La respuesta correcta
shall-i-send = ¿Envío esto como la respuesta correcta?
send = Enviar
cancel = Cancelar
it-is-a-question = Es una pregunta
take-back = Deshacer
live = ¡Gracias! Ya respondo a esto como propusiste. Desde: { $time }
for-the-writer = Esto es solo para quien lo escribió, y solo durante un día.
again = Lo intento otra vez.
too-old = Ya no tengo guardada esa respuesta; vuelve a preguntarme.
unknown-button = Este botón ya no funciona.
only-text = Solo puedo leer texto; escríbemelo, por favor.
no-voice = Solo puedo leer texto y no entiendo grabaciones; escríbemelo, por favor.
no-pictures = Solo puedo leer texto y no entiendo imágenes; escríbeme qué quieres saber.
album = Solo puedo leer texto, así que no miro los álbumes; escríbeme qué quieres saber.
file-not-fetched = Telegram no me entregó este archivo; envíalo otra vez, por favor.
failure-not-heard = Ahora no pude escuchar esto; escríbemelo o prueba más tarde.
nothing-heard = No oí ninguna palabra aquí; escríbemelo, por favor.
failure-not-seen = Ahora no pude ver esto; escríbeme qué quieres saber o prueba más tarde.
about-picture = ¿Qué se ve en esta imagen?
late = No estaba cuando escribiste, y no respondo a mensajes antiguos; vuelve a preguntarme lo que aún quieras saber.
nothing-to-retry = No hay nada que pueda volver a responder; hazme una pregunta.
unknown-command = No conozco ese comando; mira /help.
reset = Empezamos de nuevo: ya no tengo en cuenta lo anterior.
stopped = Respuesta detenida.
not-awaited = De acuerdo, sin corrección.
nothing-runs = No hay ninguna respuesta en curso.
stopped-unsaid = Me detuve antes de decir nada; vuelve a preguntarme.
no-words = No tengo respuesta para eso; pregúntamelo con otras palabras.
unrecorded = Esta respuesta no se pudo guardar, así que no se puede valorar.
task-needs-text = Escribe el texto después del comando, o contesta con el comando a un mensaje.
unsure = No estoy seguro de qué categoría es la correcta. Tócala, o escríbela como corrección (✏️).
label-noted = Anotado: { $label }.
outcome-supported = ✓ Las fuentes respaldan toda la respuesta.
outcome-partly-supported = Las fuentes respaldan { $supported } de { $total } frases que escribí; las demás se omiten.
outcome-unsupported = Las fuentes no respaldan nada de lo que escribí.
outcome-no-sources = No encontré ninguna fuente para esta respuesta.
outcome-faithful = ✓ Es breve, y cada número, fecha y nombre está en el texto.
outcome-too-long = Demasiado largo: { $length }; el máximo es { $limit }.
outcome-invented = No está en el texto: { $facts }.
outcome-no-summary = No hay ningún resumen.
outcome-valid = ✓ El informe tiene su forma.
outcome-no-json = El informe no es un JSON completo.
outcome-misfit = El informe no se ajusta a su forma en { $field }.
outcome-all-sections = ✓ Están todas las secciones.
outcome-sections-missing = Falta o está vacío: { $sections }.
outcome-ran = ✓ Se ejecutó en { $seconds } s.
outcome-passed = ✓ Se ejecutó en { $seconds } s y superó sus pruebas.
outcome-no-code = En esta respuesta no hay ningún programa de Python.
outcome-syntax = ✗ No se puede leer: { $error }
outcome-failed = ✗ Falló: { $error }
outcome-test-failed = ✗ No supera sus pruebas: { $error }
outcome-timeout = ✗ Tardó demasiado y se detuvo.
outcome-memory = ✗ Necesitó demasiada memoria y se detuvo.
outcome-output = ✗ Escribió demasiado y se detuvo.
outcome-processes = ✗ Quiso otro proceso, o demasiados hilos, y se detuvo.
outcome-refused = ✗ Quiso lo que aquí los programas no pueden hacer: { $error }
outcome-not-run = No se ejecutó: { $error }
outcome-busy = No se ejecutó: había demasiados programas en espera. Pregunta de nuevo más tarde.
checked = ✓ revisada por una persona
not-sure = Puede que esta respuesta no sea correcta.
no-answer-yet = En esta conversación aún no hay ninguna respuesta.
no-sources = Esta respuesta no usó ninguna fuente.
no-such-passage = Ya no tengo guardado este fragmento.
no-documents = Aquí aún no hay documentos: envíame un archivo PDF, DOCX, Markdown o de texto, y me basaré en él para responder.
own-documents = Documentos de este chat, que ningún otro chat ve:
shared-documents = Documentos que ven todos:
share = Para todos
send-again = Ya no puedo ver este documento; envíalo otra vez con este texto como descripción: everyone
already-gone = Este documento ya no está entre las fuentes.
not-fetched = Telegram no me entregó este documento; envíalo otra vez, por favor.
privacy =
    Qué guardo: tus mensajes y mis respuestas, tus valoraciones, correcciones y peticiones de otra respuesta, los documentos que envías (su texto, solo para este chat), tu papel aquí y si me dejas aprender. Apareces con un seudónimo; las direcciones de correo y los números de tarjeta, de cuenta y de teléfono se quitan de los mensajes antes de guardarlos. Cuando hay que avisarte de que una corrección ya se aplica, el ID de este chat se guarda hasta entonces; después de 👎 o de una corrección, tanto tiempo como la respuesta, para poder enviarte una mejor; después de /human, hasta que termine.

    Quién lo ve: los operadores de esta instalación. Las demás personas solo ven las respuestas que un operador aprobó para todos.

    Tus derechos: /export te lo entrega todo en un archivo, /forget lo borra para siempre, y con los botones de abajo decides si puedo aprender de lo que escribes. Para cualquier otra cosa, habla con el propietario de este bot.
export = Todo lo que tengo de ti, en formato JSON.
export-in-private = Escríbeme /export en nuestro chat privado; el archivo contiene lo que dijiste en todos los chats.
base-version = Versión: el modelo base, que no se ha entrenado con nada de aquí.
unknown-version = Versión: una que ya no tengo guardada.
unjudged = Se instaló a mano y ningún control la ha evaluado.
gate-promote = Superó el control
gate-reject = Un operador la activó aunque no superó el control
gate-not-enough-evidence = Un operador la activó aunque el control no tenía datos suficientes
no-examples = No aprendió de ninguna respuesta aprobada que puedan ver todos y cuya pregunta se parezca a esta.
person-wrote-it = Esta respuesta la escribió una persona, no una de mis versiones.
human = Llamo a una persona. Verá nuestro último intercambio y lo que escribas a partir de ahora, con un seudónimo y sin direcciones de correo ni números de teléfono. Me quedo en silencio hasta que me devuelva el chat; con /reset lo das por terminado.
human-called = Este chat ya está con los operadores; lo que escribas aquí les llega.
human-nobody = Aún no hay nadie que pueda atender este chat; habla con el propietario de este bot.
human-in-private = Escríbeme /human en nuestro chat privado; aquí, una persona leería lo que todos me escriben.
human-here = Una persona atiende ahora este chat y lee lo que escribes.
human-says =
    👤 Responde una persona:

    { $text }
human-over = Me devolvieron este chat: vuelvo a responder y sé lo que se habló.
human-missed = Lo siento: ahora mismo nadie tiene tiempo. Los operadores conservan tu pregunta, y quien encuentre un momento la responderá aquí. Mientras tanto, vuelvo a responder yo.
only-text-passed-on = De una persona a otra solo puedo pasar texto; escríbelo, por favor.
model-is-silent = Una persona atiende este chat; volveré a responder cuando me lo devuelva o después de /reset.
called = El chat { $chat } pide hablar con una persona.
take = Atender
hand-back = Devolver
yours = Este chat es tuyo: contesta aquí a sus mensajes y devuélvelo al terminar (/back).
holds = Chat { $chat }: lo atiende { $name }.
chat-says =
    💬 Chat { $chat }:

    { $text }
only-operators = Eso solo puede hacerlo un operador.
not-in-inbox = Este chat ya no está en la bandeja de entrada.
handed-back = El chat { $chat } está devuelto; allí vuelvo a responder yo.
ended-by-them = Chat { $chat }: la otra persona lo terminó, y allí vuelvo a responder yo.
passed-on = ✓ Enviado.
not-reached = No se puede enviar: esa persona me bloqueó o ya no puede usarme. El chat salió de la bandeja de entrada.
which-chat = Envía /back como respuesta a un mensaje del chat que devuelves.
inbox-empty = La bandeja de entrada está vacía: ningún chat espera a una persona.
amended-after-down = No te gustó mi respuesta a esto; una persona la corrigió:
amended-after-correction = Corregiste mi respuesta a esto; después la revisó una persona, y esta es la que vale:
broken = Algo falló por mi parte; inténtalo otra vez, por favor.
trial-model = Funciono con un modelo pequeño que viene incluido para probarme: se equivoca a menudo, y mejora si me corriges o me envías documentos. El idioma que mejor hablo es el inglés.
not-stored = Eso no se guardó: { $why }
notice = Guardo tus mensajes, mis respuestas y tus comentarios con un seudónimo. Se conservan durante { $days ->
        [one] { $days } día
       *[other] { $days } días
    }, y más tiempo si se aprobó una respuesta. Los leen los operadores de esta instalación. /forget lo borra todo.
asks = { $name } pide acceso a este bot.
settled-allowed = { $name } ya puede usar este bot.
settled-refused = { $name } no tendrá acceso a este bot.
thanks = Gracias, tu corrección está guardada y pendiente de revisión.
cited = Fuentes: { $sources }
passage-cited = { $where } (relevancia { $score }, citado)
passage-not-cited = { $where } (relevancia { $score }, no citado)
reading = Estoy leyendo { $name }…
reading-share = Estoy leyendo { $name }: { $share } %
ready-for-everyone = { $name } ya está entre las fuentes de todos, con { $passages ->
        [one] { $passages } fragmento
       *[other] { $passages } fragmentos
    }. /sources muestra los documentos y permite quitarlos.
ready-for-chat = { $name } ya está entre las fuentes de este chat, con { $passages ->
        [one] { $passages } fragmento
       *[other] { $passages } fragmentos
    }. /sources muestra los documentos y permite quitarlos.
too-large = { $name } ocupa más de { $megabytes } MB; divídelo en partes y envíamelas una a una.
gone-document = { $name } quedó borrado para siempre.
document = { $number }. { $name } (fragmentos: { $passages })
more-documents = Y { $count ->
        [one] { $count } más, que aparecerá cuando quites alguno de estos
       *[other] { $count } más, que aparecerán cuando quites algunos de estos
    }.
version = Versión { $version } del { $date }, entrenada con { $items ->
        [one] { $items } comentario
       *[other] { $items } comentarios
    }.
version-of-documents = Versión { $version } del { $date }, entrenada con { $items ->
        [one] { $items } comentario
       *[other] { $items } comentarios
    } y { $chunks ->
        [one] { $chunks } fragmento
       *[other] { $chunks } fragmentos
    } de documentos.
gate-counts = (mejores: { $wins }, peores: { $losses }, iguales: { $ties }; p = { $p }).
approved-on = Un operador aprobó esta respuesta el { $date }, y te la di palabra por palabra.
examples = Aprendió de estas respuestas aprobadas a preguntas parecidas a la tuya:
beyond-messages = Se agotó el límite de hoy: { $limit ->
        [one] { $limit } pregunta
       *[other] { $limit } preguntas
    }.
beyond-tokens = Se agotó el límite de tokens (trozos de palabras) de hoy: { $limit }.
beyond-all = Se agotó lo que puedo hacer en un día para todas las personas juntas.
ask-again = Vuelve a preguntarme después de las 00:00 UTC, dentro de { $hours } h { $minutes } min.
used = Hoy (UTC): preguntas { $questions }, tokens { $tokens } (trozos de palabras, leídos y escritos). El próximo día empieza dentro de { $hours } h { $minutes } min.
used-by-all = En total: preguntas { $questions }, tokens { $tokens }. Por seudónimo, que también sirve para /ban:
used-by = { $author }: preguntas { $questions }, tokens { $tokens }
group-closed = No estoy pensado para este grupo. Su ID, para quien me administra, es { $group }.
invitation = Quien abra este enlace podrá usar el bot. Vale para { $uses ->
        [one] { $uses } persona
       *[other] { $uses } personas
    } y durante { $days ->
        [one] { $days } día
       *[other] { $days } días
    }.
is-banned = { $user } tiene el acceso bloqueado: no le respondo ni guardo nada de lo que escribe. /unban lo deshace.
is-not-banned-any-more = { $user } ya no tiene el acceso bloqueado y puede hacer lo mismo que antes.

# What it says to operators.

progress = { $approved } de unas { $needed } respuestas aprobadas hasta que se pueda evaluar la próxima actualización; tus correcciones ya se usan para responder.
progress-running = Hay una actualización en curso; tus correcciones ya se usan para responder.
progress-trial = Una versión nueva está a prueba en algunos chats y la próxima actualización espera a que termine; tus correcciones ya se usan para responder.
failure-busy = Estoy respondiendo a mucha gente y la cola está llena; inténtalo otra vez en unos segundos.
failure-engine-unavailable = El asistente está arrancando u ocupado en otra cosa; vuelve a preguntar en un momento.
failure-model-not-found = { failure-engine-unavailable }
failure-broke-off = La respuesta se interrumpió; vuelve a preguntarme.
failure-internal-error = { broken }
failure-not-found = { too-old }
failure-store-unavailable = Ahora no se puede acceder a la base de datos; inténtalo otra vez en un momento.
failure-store-full = Ahora la base de datos no puede guardar nada; inténtalo más tarde.
failure-index-damaged = Ahora no se puede buscar en los documentos; inténtalo más tarde.
failure-disk-full = El disco está lleno; no se puede guardar nada más hasta que un operador libere espacio.
failure-context-length-exceeded = El mensaje es demasiado largo: tiene { $tokens } tokens y caben { $fit }. Envíalo por partes o como documento.
failure-message-empty = El mensaje está vacío; escribe lo que quieres saber.
failure-document-unknown = No conozco este tipo de archivo: { $name }. Leo Markdown, texto, HTML, PDF y DOCX.
failure-document-too-large = { $name } ocupa más de { $megabytes } MB; divídelo en partes.
failure-document-too-much = { $name } contiene más de lo que puedo leer; divídelo en partes.
failure-document-too-many = Este chat ya tiene { $most } documentos; quita antes alguno con /sources.
failure-document-empty = { $name } no contiene texto. Si es un escaneo, pásale antes un reconocimiento de texto.
failure-document-not-utf8 = { $name } no es texto UTF-8; guárdalo como UTF-8 y envíalo otra vez.
failure-document-broken = No se puede leer { $name }: está dañado, protegido o es de otro tipo.
failure-decided-already = Un operador ya ha decidido sobre esto; pídele que lo cambie.
failure-correction-empty = Una corrección tiene que decir algo; escribe cuál debería haber sido la respuesta.
failure-correction-too-long = Una corrección puede tener { $most } caracteres, y esta tiene { $characters }.
failure-own-to-the-chat = Esta conversación usó lo que es solo de este chat: se puede aprobar solo para este chat.
failure-approved-empty = Una respuesta aprobada no puede estar vacía; recházala o escribe una.
failure-not-edited = Aquí no hay ninguna respuesta editada en vigor.
failure-sent-already = La respuesta editada ya se envió, y solo se envía una vez.
failure-not-disliked = Quien preguntó no dio 👎 ni una corrección, así que no hay nada que rectificar.
failure-unreachable = No se puede llegar a quien preguntó: no preguntó por Telegram o hace demasiado tiempo.
operators-command-review = Decidir sobre las respuestas pendientes de revisión
operators-command-adapters = Versiones: cuáles hay y cuál responde
operators-command-promote = Poner a responder una versión
operators-command-rollback = Retirar la última versión
operators-command-stats = Respuestas, valoraciones y cola en cifras
operators-command-alerts = Si te aviso cuando pasa algo
operators-command-inbox = Chats que esperan a una persona
operators-command-back = Devolverme un chat
operators-command-invite = Un enlace para que otras personas puedan usarme
operators-command-ban = Dejar de responder a una persona
operators-command-unban = Volver a responderle
operators-help =
    Como operador, además tienes:
    /review te muestra, una a una, las respuestas sobre las que alguien dijo algo,
    /adapters muestra las versiones, /promote pone a responder una, /rollback retira la última,
    /stats muestra cifras, /alerts decide si te aviso cuando pasa algo,
    /inbox muestra quién espera a una persona, /back me devuelve un chat,
    /invite crea un enlace para nuevos miembros, /ban y /unban deciden a quién no respondo.
operators-operator = ¡Hola! Ahora eres operador de este bot: en /help tienes lo que puedes hacer.
operators-in-private = Escríbeme esto en nuestro chat privado.
operators-nothing-waits = No hay nada pendiente de decidir.
operators-only-skipped = Solo queda lo que saltaste; /review empieza de nuevo.
operators-why-told-what-is-wrong = Alguien dijo qué está mal.
operators-why-people-disagree = Hay opiniones distintas.
operators-why-first-of-its-kind = Es la primera pregunta de este tipo.
operators-why-in-turn = Es la que lleva más tiempo esperando.
operators-before = Antes:
operators-question = Pregunta:
operators-answer = Respuesta:
operators-suggestion = Se aprobaría:
operators-passages = Fragmentos:
operators-thumbs = Valoraciones:
operators-other-corrections = Correcciones anteriores:
operators-approve = ✅ Aprobar
operators-edit = ✏️ Editar
operators-reject = ❌ Rechazar
operators-skip = ⏭ Saltar
operators-back = ↩️ Volver
operators-cancel = Cancelar
operators-approve-for-everyone = ✅ Para todos
operators-approve-for-chat = ✅ Para este chat
operators-reject-for-everyone = ❌ Para todos
operators-reject-for-chat = ❌ Para este chat
operators-approved-everyone = ✅ aprobada para todos ↩️ deshacer
operators-approved-chat = ✅ aprobada para este chat ↩️ deshacer
operators-rejected-everyone = ❌ rechazada para todos ↩️ deshacer
operators-rejected-chat = ❌ rechazada para este chat ↩️ deshacer
operators-for-whom = ¿Para quién vale esto?
operators-skipped = Saltada.
operators-undone = Deshecho: vuelve a estar pendiente.
operators-decided-already = Esto ya no está pendiente de decidir.
operators-said-meanwhile = Mientras tanto, alguien dijo algo sobre esto; míralo otra vez, por favor.
operators-not-in-force = Esta decisión ya no está en vigor.
operators-rewrite = Contesta a este mensaje con la respuesta tal como debería ser.
operators-the-answer = La respuesta, como debería ser
operators-shall-i-approve = ¿Apruebo esto?
operators-not-approved = De acuerdo, se queda como estaba.
operators-send-edited = ✉️ Enviar a quien preguntó
operators-is-sent = Va en camino; aparecerá debajo de la pregunta a la que responde.
operators-no-versions = Aún no hay ninguna versión: responde el modelo base.
operators-base-live = Está activo el modelo base; /promote base vuelve a él.
operators-status-live = activa
operators-status-incoming = a punto de activarse
operators-status-canary = en prueba
operators-status-previous = activa antes; /rollback vuelve a ella
operators-status-candidate = candidata
operators-status-rejected = rechazada
operators-status-retired = retirada
operators-gate-promote = superado
operators-gate-reject = no superado
operators-gate-not-enough-evidence = datos insuficientes
operators-never-judged = Control: nunca evaluada
operators-marked = Aprendió de alguien cuyos datos se borraron después, y no volverá a responder nunca.
operators-cannot-promote = Esta versión aprendió de alguien cuyos datos se borraron después, y no volverá a activarse nunca. Elige otra en /adapters o espera al próximo entrenamiento, que creará una sin esos datos.
operators-retired = Esta versión está retirada y no volverá a responder nunca. Elige otra en /adapters.
operators-which-version = Escribe /promote y el comienzo del ID de una versión, o /promote base; /adapters las muestra.
operators-no-such-version = Ninguna versión empieza así, o hay más de una; /adapters las muestra.
operators-live-already = Esta versión ya está activa.
operators-nothing-to-roll-back = No hay ninguna versión anterior a la que volver.
operators-promote = Activar
operators-roll-back = Retirar
operators-was-rejected = Ya fue rechazada antes.
operators-unjudged = Ningún control la ha evaluado.
operators-moved = Algo cambió mientras tanto; mira /adapters y vuelve a pedirlo si aún lo quieres.
operators-nothing-done = De acuerdo, no cambia nada.
operators-chart = La imagen: valoraciones de cada uno de los últimos 14 días (UTC), 👍 en azul, 👎 en naranja.
operators-queue-empty = No hay nada pendiente de revisión.
operators-alerts-on = Te aviso cuando se retira una versión en prueba, cuando la cola de revisión se alarga y cuando el proceso que me entrena deja de dar señales de vida.
operators-alerts-off = No te aviso cuando pasa algo.
operators-mute = 🔕 No avisarme
operators-unmute = 🔔 Avisarme
operators-card-heading = Pendientes: { $waiting }. Respondió la versión { $version }.
operators-passage = • { $source } (relevancia { $score }): { $excerpt }
operators-standing = Estado: { $status }
operators-trial = Responde al { $share } de los chats.
operators-refused = El servicio de respuestas no la acepta: { $why }
operators-gate = Control: { $outcome } (mejores: { $wins }, peores: { $losses }, iguales: { $ties })
operators-more-versions = Y { $count ->
        [one] { $count } más antigua
       *[other] { $count } más antiguas
    }.
operators-shall-i-promote = ¿Activar { $version }? Responderá a todos los chats en cuanto la tengan todos los procesos del servicio de respuestas; ahora está activa { $live }. Las respuestas en curso terminan como empezaron.
operators-trial-ends = La prueba de { $version } termina sin veredicto.
operators-incoming-replaced = { $version }, que está a punto de activarse, aún no está instalada en todas partes y se queda como candidata.
operators-shall-i-end-trial = ¿Retirar { $version }? Su prueba termina, queda como rechazada, y { $live } responde a todos los chats.
operators-shall-i-roll-back = ¿Retirar { $live }? Queda como rechazada, y { $previous } vuelve a estar activa de inmediato.
operators-is-live = Listo: { $version } está activa.
operators-will-be-live = Listo: { $version } estará activa en cuanto la tengan todos los procesos del servicio de respuestas.
operators-rolled-back = Listo: { $version } está retirada, y { $live } está activa.
operators-figures = Respuestas en las últimas 24 horas: { $answers }. Valoraciones en 14 días: 👍 { $up }, 👎 { $down }.
operators-live-version = Activa: { $version }, 👍 { $up }, 👎 { $down }.
operators-on-trial = En prueba con el { $share } de los chats: { $version }, 👍 { $up }, 👎 { $down }.
operators-queue = Pendientes de revisión: { $waiting }; la más antigua, desde hace { $hours } h.
operators-digest = 🗓 Las últimas 24 horas
operators-digest-inbox = Esperan a una persona: { $count ->
        [one] { $count } chat
       *[other] { $count } chats
    }; /inbox los muestra.
operators-digest-answers = Respuestas: { $today } (el día anterior: { $before }).
operators-digest-thumbs = Valoraciones: 👍 { $up }, 👎 { $down } (el día anterior: 👍 { $up_before }, 👎 { $down_before }).
operators-digest-live = { $version } responde en lugar de { $was }.
operators-digest-yours = Aprendió de tus decisiones: { $count }.
operators-digest-taken-back = { $version } se retiró.
operators-digest-rejected = { $version } no superó el control.
operators-digest-failed = Un entrenamiento falló: { $why }
operators-digest-on = Recibes un resumen una vez al día, cuando hay algo que contar.
operators-digest-off = No recibes el resumen diario.
operators-digest-stop = 🔕 Sin resumen diario
operators-digest-start = 🗓 Resumen diario
operators-trial-taken-back = ⚠️ La prueba de { $version } terminó: se retiró, y { $live } responde a todos los chats.
operators-trial-taken-back-why = El motivo: { $why }
operators-queue-is-long = ⚠️ Hay { $waiting ->
        [one] { $waiting } respuesta pendiente
       *[other] { $waiting } respuestas pendientes
    } de revisión; /review las muestra.
operators-worker-is-silent = ⚠️ El proceso que me entrena (worker) lleva { $minutes } min sin dar señales de vida: hasta que vuelva a funcionar, no aprendo nada ni se evalúa ninguna prueba. Mira su registro.
