# What the bot says to people. Messages with { $values } are filled in; /commands stay as they are in every language.

command-help = 我能做什么
command-stop = 停止正在进行的回答
command-reset = 开始新的对话
command-retry = 重新回答你的上一个问题
command-human = 转人工
command-sources = 我回答时依据的文档
command-why = 我为什么这样回答
command-usage = 你今天用了多少，上限是多少
command-start = 我保存什么，以及我能否从中学习
command-privacy = 我保存什么、保存多久，以及你的权利
command-export = 把你的全部数据导出成文件
command-forget = 删除你的全部数据
help =
    写下问题，我来回答。每条回答下面有这些按钮：
    👍 👎 告诉我答得对不对，
    ✏️ 写下正确的回答（直接回复那条回答也可以），
    🔄 换一个回答，
    {"["}1] 查看回答引用的段落。

    把 PDF、DOCX、Markdown 或文本文件发给我，我就会在这里依据它回答；/sources 列出你的文档，也可以删除它们。

    /human 转人工。/why 解释一条回答，/reset 开始新的对话，/retry 重新回答上一个问题，/stop 停止正在进行的回答，/start 和 /privacy 说明我保存什么，/export 把你的数据交给你，/forget 删除你的全部数据。
welcome = 你好！我是 Apprentice，我向我服务的人学习。写下你的问题吧，也可以看看 /help。
owner = 你好！现在你是这个机器人的所有者了：还有谁可以使用它，由你决定。写下你的问题吧，也可以看看 /help。
member = 你好！你现在可以使用这个机器人了。写下你的问题吧，也可以看看 /help。
stranger = 这个机器人不对外公开；你可以向它的所有者申请使用。
link-used = 这个链接已经失效；请向机器人的所有者申请使用。
ask = 申请使用
asked = 申请已发送；所有者决定后，我会告诉你。
asked-already = 你的申请正在等待所有者决定。
has-access = 你已经可以使用这个机器人了。
allow = 同意
refuse = 拒绝
owner-decides = 这件事只有机器人的所有者能决定。
decided-already = 这件事已经决定过了。
refused = 机器人的所有者没有同意你使用。
too-fast = 你发得太快，超出了我能回答的速度。多出来的消息我先略过，请过一分钟再问。
invite-how = 发送 /invite 即可，也可以写上人数（最多 1000）和天数（最多 365），例如 /invite 5 7。
invite-in-private = 请在我们的私聊里发送 /invite：看到链接的人都可以使用这个机器人。
withdraw = 作废链接
withdrawn = 这个链接已作废。
banned = 你不能再使用这个机器人了。如有任何问题，包括它还保存着你的哪些数据，请联系它的所有者。
ban-how = 请用这条命令回复对方的一条消息，或者在命令后面写上对方的 Telegram 数字 ID 或化名。
owners-stay = 机器人的所有者不能被封禁。
not-banned = 对方没有被封禁。
inline-stranger = 这个机器人不对外公开：申请使用
inline-untold = 请先在我们的私聊里给我发消息
inline-beyond = 已超出你的额度：请看 /usage
inline-failed = 我现在无法回答，请再试一次
yes = 可以，向我学习
no = 不，只回答就好
consent-ask = 我可以从你说的话里学习吗？不管你怎么选，我都会回答你。
consent-yes = 你已允许我从你说的话里学习。你随时可以在这里更改。
consent-no = 我会回答你，但不会从你说的话里学习。你随时可以在这里更改。
consent-noted-yes = 谢谢！我会从你说的话里学习。
consent-noted-no = 我不会从你说的话里学习。
forget = 我会永久删除你的消息、我给你的回答、你的反馈、由此批准的内容、你发到聊天里的文档，以及你的使用权限。我学到的东西会去掉这些内容，重新微调。这个聊天本身需要在 Telegram 里删除。
forget-me = 忘掉我
keep = 全部保留
forgetting = 正在删除…
forgotten = 删好了：我这里不再有你的任何数据。如果还想和我聊，请向所有者申请使用。
nothing-known = 我这里没有你的任何数据。
kept = 好的，全部保留。
forget-in-private = 请在我们的私聊里发送 /forget；它涉及你在所有聊天里说过的话。
good = 谢谢！已记为正确。
bad = 已记为不正确。哪里有问题？
bad-for-another = 已记为不正确。
taken-back = 已撤回。
noted-good = 👍 ↩️ 撤回
noted-bad = 👎 ↩️ 撤回
reason-wrong = 有错误
reason-not-helpful = 没有帮助
reason-too-long = 太长
reason-unsafe = 不安全
reason-other = 其他
reason-noted = 谢谢！点 ✏️ 可以写下正确的回答。
for-the-asker = 这个按钮只给提问的人用。
write-it = 正确的回答应该是什么？请现在写下来（在群里请回复这条消息）；不想写就发送 /stop。
correction = 正确的回答
shall-i-send = 要把这条作为正确的回答发送吗？
send = 发送
cancel = 取消
it-is-a-question = 这是提问
take-back = 撤回
live = 谢谢！从 { $time } 起，这个问题我按你的更正来回答。
for-the-writer = 这个按钮只给写下它的人用，一天后失效。
again = 我再试一次。
too-old = 那条回答太早了，我已经没有记录；请再问一次。
unknown-button = 这个按钮已经失效。
only-text = 我只看得懂文字，请写给我。
no-voice = 我只看得懂文字，听不懂语音，请写给我。
no-pictures = 我只看得懂文字，看不懂图片，请写下你想知道什么。
album = 我只看得懂文字，相册就略过了，请写下你想知道什么。
file-not-fetched = Telegram 没有把这个文件交给我，请再发一次。
not-heard = 我现在听不了这段语音；请写给我，或者稍后再试。
nothing-heard = 我没有在这里听到说话，请写给我。
not-seen = 我现在看不了这个；请写下你想知道什么，或者稍后再试。
about-picture = 这张图片上有什么？
late = 你发消息时我不在，过时的消息我不再回答；还想知道的话，请再问一次。
nothing-to-retry = 没有可以重新回答的问题，请先提问。
unknown-command = 我不认识这条命令，请看 /help。
reset = 我们重新开始：之前说过的，我不再参考。
stopped = 已停止。
not-awaited = 好的，那就不更正了。
nothing-runs = 现在没有正在进行的回答。
stopped-unsaid = 我还没开口就停下了，请再问一次。
no-words = 这个问题我答不上来，请换个说法再问。
unrecorded = 这条回答没能保存，所以无法评价。
checked = ✓ 已经人工核对
no-answer-yet = 这次对话里还没有回答。
no-sources = 这条回答没有用到任何来源。
no-such-passage = 我的记录里已经没有这个段落了。
no-documents = 这里还没有文档：把 PDF、DOCX、Markdown 或文本文件发给我，我就会依据它回答。
own-documents = 本聊天的文档，其他聊天看不到：
shared-documents = 所有人都能看到的文档：
share = 向所有人开放
send-again = 我已经看不到这个文档了；请重新发送，并在说明文字里写上：everyone
already-gone = 来源里已经没有这个文档了。
not-fetched = Telegram 没有把这个文档交给我，请再发一次。
privacy =
    我保存什么：你的消息和我的回答，你的评价、更正和换一个回答的请求，你发来的文档（只存文字，只用于本聊天），你在这里的角色，以及你是否允许我学习。你以化名出现；消息保存之前，其中的电子邮箱、银行卡号、账号和电话号码都会被去掉。如果要通知你某条更正已生效，本聊天的编号会保留到通知你为止；如果你点了 👎 或写了更正，编号会和那条回答保留得一样久，好把更好的回答发给你；使用 /human 之后，编号会保留到人工对话结束。

    谁能看到：本机器人的操作员。其他人只能看到操作员批准给所有人的回答。

    你的权利：/export 把你的全部数据放进一个文件交给你，/forget 永久删除这些数据，下面的按钮决定我能否从你说的话里学习。其他问题请联系机器人的所有者。
export = 这是我保存的你的全部数据，JSON 格式。
export-in-private = 请在我们的私聊里发送 /export；其中包含你在所有聊天里说过的话。
base-version = 版本：基础模型，没有用这里的任何内容微调过。
unknown-version = 版本：我的记录里已经没有这个版本了。
unjudged = 它是手动安装的，没有经过上线评测。
gate-promote = 它通过了上线评测
gate-reject = 它没有通过上线评测，是操作员让它上线的
gate-not-enough-evidence = 上线评测的证据不足，是操作员让它上线的
no-examples = 在所有人可见的已批准回答中，它没有学过与这个问题相近的。
person-wrote-it = 这条回答是人工写的，不出自我的任何版本。
human = 我这就转人工。对方能看到我们最近的一次问答，以及你从现在起写的内容；你以化名出现，电子邮箱和电话号码会被去掉。对方把聊天交还给我之前，我不说话；发送 /reset 可以结束。
human-called = 这个聊天已经转给操作员；你在这里写的内容他们能看到。
human-nobody = 现在还没有人能接手这个聊天；请联系机器人的所有者。
human-in-private = 请在我们的私聊里发送 /human；如果在这里转人工，对方会看到大家写给我的内容。
human-here = 已有人接手这个聊天，正在看你写的内容。
human-says =
    👤 人工回答：

    { $text }
human-over = 这个聊天已经交还给我：我继续回答，也知道你们说过什么。
human-missed = 抱歉，现在没有人有空。你的问题会留在操作员那里，谁有空就会在这里回答你。在此期间，由我继续回答。
only-text-passed-on = 你和对方之间只能传递文字，请写下来。
model-is-silent = 这个聊天现在由人工接手；等对方交还，或者你发送 /reset，我再继续回答。
called = 聊天 { $chat } 请求转人工。
take = 接手
hand-back = 交还
yours = 这个聊天归你了：请在这里回复它的消息，结束后交还给我（/back）。
holds = 聊天 { $chat }：由 { $name } 接手。
chat-says =
    💬 聊天 { $chat }：

    { $text }
only-operators = 只有操作员可以这样做。
not-in-inbox = 这个聊天已经不在收件箱里了。
handed-back = 聊天 { $chat } 已交还；那里由我继续回答。
ended-by-them = 聊天 { $chat }：对方已结束人工对话，那里由我继续回答。
passed-on = ✓ 已发送。
not-reached = 发送不了：对方屏蔽了我，或者已经不能使用我了。这个聊天已移出收件箱。
which-chat = 请回复你要交还的那个聊天的一条消息，内容写 /back。
inbox-empty = 收件箱是空的：没有聊天在等人工。
amended-after-down = 你对我的这条回答不满意，现在已有人更正：
amended-after-correction = 你更正过我的这条回答；之后有人核对过，请以这条为准：
broken = 我这边出了点问题，请再试一次。
trial-model = 我现在用的是自带的小模型，只供试用：它经常答错，你更正我或者发文档给我，我会答得更好。我最擅长英语。
not-stored = 没能保存：{ $why }
notice = 我以化名保存你的消息、我的回答和你的反馈，保留 { $days } 天；已批准的回答会保留得更久。本机器人的操作员可以看到这些内容。/forget 可以全部删除。
asks = { $name } 申请使用这个机器人。
settled-allowed = { $name } 现在可以使用这个机器人了。
settled-refused = 已拒绝 { $name } 使用这个机器人。
thanks = 谢谢，你的更正已保存，等待审核。
cited = 来源：{ $sources }
passage-cited = { $where }（相关度 { $score }，已引用）
passage-not-cited = { $where }（相关度 { $score }，未引用）
reading = 正在读 { $name }…
reading-share = 正在读 { $name }：{ $share }%
ready-for-everyone = { $name } 已加入所有人的来源，共 { $passages } 个段落。/sources 可以查看和删除文档。
ready-for-chat = { $name } 已加入本聊天的来源，共 { $passages } 个段落。/sources 可以查看和删除文档。
too-large = { $name } 超过 { $megabytes } MB；请拆成几份，逐个发来。
gone-document = { $name } 已永久删除。
document = { $number }. { $name }（{ $passages } 个段落）
more-documents = 还有 { $count } 个，删掉一些后就会显示。
version = 版本 { $version }，{ $date }，用 { $items } 条反馈微调。
version-of-documents = 版本 { $version }，{ $date }，用 { $items } 条反馈和 { $chunks } 个文档段落微调。
gate-counts = (更好 { $wins }，更差 { $losses }，持平 { $ties }，p = { $p })。
approved-on = 操作员在 { $date } 批准了这条回答，我原样给出。
examples = 它学过这些与你的问题相近的已批准回答：
beyond-messages = 今天的 { $limit } 个提问额度已经用完。
beyond-tokens = 今天的 { $limit } 个 token（文字片段）额度已经用完。
beyond-all = 我今天供所有人共用的额度已经用完。
ask-again = 请在 UTC 00:00 之后再问，还要等 { $hours } 小时 { $minutes } 分钟。
used = 今天（UTC）：提问 { $questions }，token { $tokens }（文字片段，读写都算）。距离新的一天还有 { $hours } 小时 { $minutes } 分钟。
used-by-all = 所有人合计：提问 { $questions }，token { $tokens }。按化名列出（可用于 /ban）：
used-by = { $author }：提问 { $questions }，token { $tokens }
group-closed = 我不在这个群里提供服务。群编号供部署我的人使用：{ $group }。
invitation = 打开这个链接的人就可以使用这个机器人。可用人数：{ $uses }，有效天数：{ $days }。
is-banned = { $user } 已被封禁：我不再回答，也不保存对方写的任何内容。/unban 可以解除。
is-not-banned-any-more = { $user } 已解除封禁，之前的权限照旧。

# What it says to operators.

operators-command-review = 审核等待决定的回答
operators-command-adapters = 有哪些版本，现在由哪个回答
operators-command-promote = 让一个版本上线
operators-command-rollback = 撤下最近上线的版本
operators-command-stats = 回答、评价和队列的数据
operators-command-alerts = 有情况时是否通知你
operators-command-inbox = 等待人工的聊天
operators-command-back = 把聊天交还给我
operators-command-invite = 生成邀请链接
operators-command-ban = 不再回答某个人
operators-command-unban = 恢复回答某个人
operators-help =
    作为操作员，你还可以用：
    /review 逐条查看收到反馈的回答，
    /adapters 列出各个版本，/promote 让一个版本上线，/rollback 撤下最近上线的版本，
    /stats 查看数据，/alerts 决定有情况时我是否通知你，
    /inbox 查看谁在等人工，/back 把聊天交还给我，
    /invite 为新成员生成链接，/ban 和 /unban 决定我不回答谁。
operators-operator = 你好！你现在是这个机器人的操作员了：能做什么，请看 /help。
operators-in-private = 请在我们的私聊里发送这条命令。
operators-nothing-waits = 没有需要决定的内容。
operators-only-skipped = 只剩你跳过的了；发送 /review 重新开始。
operators-why-told-what-is-wrong = 有人指出了它的问题。
operators-why-people-disagree = 大家对它意见不一。
operators-why-first-of-its-kind = 这是第一个此类问题。
operators-why-in-turn = 它等得最久。
operators-before = 之前：
operators-question = 问题：
operators-answer = 回答：
operators-suggestion = 待批准的内容：
operators-passages = 段落：
operators-thumbs = 评价：
operators-other-corrections = 更早的更正：
operators-approve = ✅ 批准
operators-edit = ✏️ 修改
operators-reject = ❌ 驳回
operators-skip = ⏭ 跳过
operators-back = ↩️ 返回
operators-cancel = 取消
operators-approve-for-everyone = ✅ 对所有人
operators-approve-for-chat = ✅ 仅本聊天
operators-reject-for-everyone = ❌ 对所有人
operators-reject-for-chat = ❌ 仅本聊天
operators-approved-everyone = ✅ 已批准（所有人）↩️ 撤销
operators-approved-chat = ✅ 已批准（本聊天）↩️ 撤销
operators-rejected-everyone = ❌ 已驳回（所有人）↩️ 撤销
operators-rejected-chat = ❌ 已驳回（本聊天）↩️ 撤销
operators-for-whom = 对谁生效？
operators-skipped = 已跳过。
operators-undone = 已撤销：它重新等待决定。
operators-decided-already = 它已经不需要决定了。
operators-said-meanwhile = 刚才又有人对它给了反馈，请再看一遍。
operators-not-in-force = 这个决定已经不再有效。
operators-rewrite = 请回复这条消息，写下正确的回答。
operators-the-answer = 正确的回答
operators-shall-i-approve = 要批准这条吗？
operators-not-approved = 好的，保持原样。
operators-send-edited = ✉️ 发给提问者
operators-is-sent = 正在发送，会出现在对应的问题下面。
operators-no-versions = 还没有任何版本：现在由基础模型回答。
operators-base-live = 当前线上的是基础模型；/promote base 可以换回它。
operators-status-live = 线上运行中
operators-status-incoming = 即将上线
operators-status-canary = 试运行中
operators-status-previous = 上一个线上版本；/rollback 可以换回它
operators-status-candidate = 候选
operators-status-rejected = 已否决
operators-gate-promote = 通过
operators-gate-reject = 未通过
operators-gate-not-enough-evidence = 证据不足
operators-never-judged = 上线评测：从未进行
operators-marked = 它学过某人的内容，而此人的数据后来已删除；它不会再用来回答。
operators-cannot-promote = 这个版本学过某人的内容，而此人的数据后来已删除，所以它不能再上线。请在 /adapters 里另选一个，或者等下一次更新微调出不含这些内容的版本。
operators-which-version = 请写 /promote 加上版本 ID 的开头几位，或者 /promote base；/adapters 列出所有版本。
operators-no-such-version = 没有以此开头的版本，或者不止一个；/adapters 列出所有版本。
operators-live-already = 这个版本已经在线上了。
operators-nothing-to-roll-back = 没有更早的版本可以回滚。
operators-promote = 上线
operators-roll-back = 回滚
operators-was-rejected = 它曾被否决。
operators-unjudged = 它没有经过上线评测。
operators-moved = 刚才情况有变；请看看 /adapters，如果仍有需要，再操作一次。
operators-nothing-done = 好的，一切照旧。
operators-chart = 图中是最近 14 天（UTC）每天的评价：👍 蓝色，👎 橙色。
operators-queue-empty = 没有等待审核的内容。
operators-alerts-on = 试运行的版本被撤下、审核队列变长，或者后台训练进程没有动静时，我会通知你。
operators-alerts-off = 有情况时，我不会通知你。
operators-mute = 🔕 不要通知我
operators-unmute = 🔔 通知我
operators-card-heading = { $waiting } 条等待审核。这条由版本 { $version } 回答。
operators-passage = • { $source }（相关度 { $score }）：{ $excerpt }
operators-standing = 状态：{ $status }
operators-trial = 它负责回答 { $share } 的聊天。
operators-refused = 应答进程拒绝加载它：{ $why }
operators-gate = 上线评测：{ $outcome }（更好 { $wins }，更差 { $losses }，持平 { $ties }）
operators-more-versions = 还有 { $count } 个更早的版本。
operators-shall-i-promote = 让 { $version } 上线吗？所有应答进程都装好后，全部聊天都由它回答；当前线上的是 { $live }。正在进行的回答仍由原来的版本完成。
operators-trial-ends = { $version } 的试运行就此结束，没有结论。
operators-incoming-replaced = 即将上线的 { $version } 还没有在各处装好，会继续作为候选。
operators-shall-i-end-trial = 撤下 { $version } 吗？它的试运行会结束，并记为已否决；所有聊天都由 { $live } 回答。
operators-shall-i-roll-back = 撤下 { $live } 吗？它会记为已否决，{ $previous } 立即重新上线。
operators-is-live = 完成：{ $version } 已上线。
operators-will-be-live = 完成：所有应答进程都装好后，{ $version } 就会上线。
operators-rolled-back = 完成：{ $version } 已撤下，当前线上的是 { $live }。
operators-figures = 最近 24 小时的回答：{ $answers }。14 天内的评价：👍 { $up }，👎 { $down }。
operators-live-version = 线上：{ $version }，👍 { $up }，👎 { $down }。
operators-on-trial = 试运行（{ $share } 的聊天）：{ $version }，👍 { $up }，👎 { $down }。
operators-queue = 等待审核：{ $waiting }，最久的已等 { $hours } 小时。
operators-trial-taken-back = ⚠️ { $version } 的试运行已结束：它被撤下了，所有聊天都由 { $live } 回答。
operators-trial-taken-back-why = 原因：{ $why }
operators-queue-is-long = ⚠️ 有 { $waiting } 条回答等待审核；用 /review 查看。
operators-worker-is-silent = ⚠️ 后台训练进程已经 { $minutes } 分钟没有动静：在它恢复运行之前，我学不到新东西，试运行也不会有结论。请查看它的日志。
