"""Every code of a problem or a warning, in Chinese and English.

`{placeholders}` are filled with the problem's parameters, which are never personal data. A service adds its codes to its own section.
After a change: `python -m shared.problems.catalogue > docs/problems.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """One code: its usual HTTP status (201: a warning), the problem's title, the message of one error, and its other statuses."""

    status: int
    title_zh: str
    title_en: str
    message_zh: str
    message_en: str
    also: tuple[int, ...] = ()
    """Statuses where it is said of another thing: 404 where the address names what is unknown, 409 where another fact forbids it."""


UNKNOWN_CODE = Entry(500, "未知错误", "Unknown error", "发生未知错误。", "An unknown error occurred.")

# One line a code, so that it reads as a table.
# fmt: off
REQUESTS: Mapping[str, Entry] = {
    "BAD_REQUEST": Entry(400, "请求有误", "Bad request", "无法读取请求。", "The request cannot be read."),
    "MALFORMED_REQUEST": Entry(400, "请求不符合 HTTP", "Malformed request", "请求不符合 HTTP/1.1 的格式,连接将关闭。", "The request is not valid HTTP/1.1; the connection is closed."),
    "BAD_HOST": Entry(400, "Host 有误", "Bad Host", "HTTP/1.1 请求须有且仅有一个 Host 头,内容为主机名,可加端口。", "A request of HTTP/1.1 has one Host header with a host name and perhaps a port."),
    "MISDIRECTED_REQUEST": Entry(421, "主机名不属于本服务", "Misdirected request", "本服务不以此主机名提供服务;请使用公布的地址。", "The service is not reached under this host name; use its published address."),
    "REQUEST_TIMEOUT": Entry(408, "请求超时", "Request timeout", "请求未在规定时间内发送完毕,连接将关闭。", "The request was not sent in time; the connection is closed."),
    "URI_TOO_LONG": Entry(414, "地址过长", "Address too long", "请求行不得超过 8 KiB。", "The request line may have 8 KiB at most."),
    "HEADERS_TOO_LARGE": Entry(431, "请求头过大", "Headers too large", "请求头合计不得超过 32 KiB。", "The headers may have 32 KiB in total at most."),
    "TOO_MANY_CONNECTIONS": Entry(503, "连接过多", "Too many connections", "同一来源的连接过多;请关闭不用的连接后再试。", "This client has too many connections; close unused ones and try again."),
    "BROKEN_JSON": Entry(400, "JSON 无法解析", "Broken JSON", "内容不是有效的 UTF-8 JSON。", "The content is not valid JSON in UTF-8."),
    "BAD_CURSOR": Entry(400, "分页游标无效", "Bad cursor", "请使用上一页返回的游标,或省略它从头开始。", "Use the cursor of the last page, or leave it out to start again."),
    "TOKEN_MISSING": Entry(401, "缺少令牌", "Token missing", "请在 Authorization 头中给出 Bearer 令牌。", "Send a bearer token in the Authorization header."),
    "TOKEN_INVALID": Entry(401, "令牌无效", "Token invalid", "令牌不是由所信任的签发者为本平台签发的。", "The token was not issued for this platform by the trusted issuer."),
    "TOKEN_NAMES_A_PERSON": Entry(401, "令牌主体为身份证号", "Token names a person", "令牌的 sub 含有公民身份号码,而每条记录都会保存 sub;请让身份提供方改发不透明标识。", "The token's sub holds a resident identity number, and every record keeps the sub; have the provider issue an opaque one."),
    "TOKEN_EXPIRED": Entry(401, "令牌已过期", "Token expired", "请取得新的令牌。", "Get a new token."),
    "SCOPE_MISSING": Entry(403, "权限不足", "Scope missing", "令牌缺少权限 {scope}。", "The token lacks the scope {scope}."),
    "AREA_NOT_GRANTED": Entry(403, "区域未授权", "Area not granted", "令牌未授权{area};请指定已授权的区域或其中的对象。", "The token does not grant {area}; name a granted area, or something in one."),
    "NOT_FOUND": Entry(404, "未找到", "Not found", "此地址下没有内容。", "There is nothing at this address."),
    "METHOD_NOT_ALLOWED": Entry(405, "方法不允许", "Method not allowed", "此地址不支持该方法。", "This address does not take that method."),
    "BODY_TOO_LARGE": Entry(413, "请求过大", "Body too large", "请求内容不得超过 {most} 字节。", "The body may have {most} bytes at most."),
    "EVENT_TOO_LARGE": Entry(413, "事件过大", "Event too large", "由此产生的事件超过 256 KiB。", "The event that comes of it would be larger than 256 KiB."),
    "UNSUPPORTED_MEDIA_TYPE": Entry(415, "内容类型不支持", "Unsupported media type", "请以 Content-Type: {expected} 发送内容。", "Send the body as Content-Type: {expected}."),
    "TOO_MANY_AT_ONCE": Entry(429, "同时请求过多", "Too many at once", "同一客户端同时最多处理 {most} 个查询;请稍后再试。", "A client has {most} questions answered at once at most; try again later."),
    "TOO_MANY_STREAMS": Entry(429, "数据流过多", "Too many streams", "同一客户端最多打开 {most} 个数据流;请先关闭一些。", "A client has {most} streams open at most; close some first."),
    "TOO_MANY_DATED_STREAMS": Entry(429, "指定日期的数据流过多", "Too many dated streams", "同一客户端的数据流最多涉及 {most} 个指定日期(as_of);请先关闭一些。", "The streams of a client name {most} days (as_of) at most; close some first."),
    "TOO_MANY_REQUESTS": Entry(429, "请求过多", "Too many requests", "请求过于频繁,请稍后再试。", "Requests come too often; try again later."),
    "INTERNAL": Entry(500, "内部错误", "Internal error", "服务内部出错,已记入日志,追踪号 {trace}。", "The service failed; it is logged with the trace {trace}."),
    "UNAVAILABLE": Entry(503, "暂不可用", "Unavailable", "服务暂时无法应答,请稍后重试;未写入任何内容。", "The service cannot answer now; try again later. Nothing was written."),
    "OUTCOME_UNKNOWN": Entry(503, "结果未知", "Outcome unknown", "提交时与数据库的连接中断,无法确认请求是否已执行。请原样重发,带上原来的幂等键;原请求没有键的,带上本应答给出的键(Idempotency-Key):只会执行一次,并得到应有的应答。", "The connection to the database was lost while the request was being committed; it may have been carried out or not. Send the same request again, with its Idempotency-Key or, if it had none, with the one that this answer gives: it is done once, and answered."),
    "CLOCK_AHEAD": Entry(503, "时钟超前", "Clock ahead", "最近一次记录的时间晚于当前时钟,请稍后重试;未写入任何内容。", "The last record is later than the clock; try again later. Nothing was written."),
}

FIELDS: Mapping[str, Entry] = {
    "FIELD_REQUIRED": Entry(422, "缺少字段", "Field required", "此字段必填。", "This field is required."),
    "DUPLICATE_FIELD": Entry(422, "字段重复", "Field given twice", "同一对象中此字段出现多次。", "The same object has this field more than once."),
    "UNKNOWN_FIELD": Entry(422, "未知字段", "Unknown field", "没有此字段(名称可能含个人信息的,以 ? 代替)。", "There is no such field (a name that may be personal is shown as ?)."),
    "INVALID_VALUE": Entry(422, "值无效", "Invalid value", "此字段的值无效。", "The value of this field is not valid."),
    "INVALID_DATE": Entry(422, "日期无效", "Invalid date", "日期须写作 YYYY-MM-DD 且真实存在。", "A date is written YYYY-MM-DD and exists in the calendar."),
    "INVALID_INSTANT": Entry(422, "时刻无效", "Invalid instant", "时刻须按 ISO 8601 书写并带时区。", "An instant is written in ISO 8601 with its zone."),
    "KNOWN_IN_FUTURE": Entry(422, "知悉日期在将来", "Known day in the future", "知悉日期不能晚于今天（{today}）；所问业务日期可以在将来，那是预计。", "What will be known on a later day is not known today ({today}); the business day asked about may lie in the future, as an outlook."),
    "DATE_OUT_OF_RANGE": Entry(422, "日期超出范围", "Date out of range", "日期须在 {earliest} 与 {latest} 之间。", "The date must lie between {earliest} and {latest}."),
    "NOT_A_NUMBER": Entry(422, "不是数字", "Not a number", "此字段须为数字,不加引号,用半角书写。", "This field is a number, without quotes and in ordinary (half-width) digits."),
    "NOT_A_WHOLE_NUMBER": Entry(422, "不是整数", "Not a whole number", "此字段须为整数,不加引号,用半角书写,如 40。", "This field is a whole number, without quotes and in ordinary (half-width) digits, such as 40."),
    "BELOW_ZERO": Entry(422, "小于零", "Below zero", "此字段不得小于 0。", "This field may not be below 0."),
    "OUT_OF_RANGE": Entry(422, "超出范围", "Out of range", "值超出允许范围({limit})。", "The value is out of its range ({limit})."),
    "NOT_A_TEXT": Entry(422, "不是文本", "Not a text", "此字段须为文本。", "This field is a text."),
    "EMPTY": Entry(422, "不能为空", "Empty", "此字段不能为空。", "This field may not be empty."),
    "TOO_SHORT": Entry(422, "过短", "Too short", "至少需要 {limit} 个字符。", "At least {limit} characters are needed."),
    "TOO_LONG": Entry(422, "过长", "Too long", "最多 {limit} 个字符。", "{limit} characters at most."),
    "CONTROL_CHARACTERS": Entry(422, "含控制字符", "Control characters", "文本不得含有控制字符或改变书写方向的字符。", "The text may not contain control characters, nor ones that turn the direction of writing."),
    "BAD_FORM": Entry(422, "格式不符", "Bad form", "值不符合规定的格式。", "The value does not have the form that is asked for."),
    "INVALID_ID": Entry(422, "标识无效", "Invalid id", "标识须为 UUID。", "An id is a UUID."),
    "NOT_ONE_OF": Entry(422, "不在可选值内", "Not one of the choices", "须为下列之一:{expected}。", "It must be one of: {expected}."),
    "NOT_YES_OR_NO": Entry(422, "不是真假值", "Not true or false", "此字段须为 true 或 false。", "This field is true or false."),
    "NOT_A_LIST": Entry(422, "不是列表", "Not a list", "此字段须为列表。", "This field is a list."),
    "NOT_AN_OBJECT": Entry(422, "不是对象", "Not an object", "此处须为 JSON 对象。", "Here a JSON object is needed."),
    "TOO_FEW": Entry(422, "过少", "Too few", "至少需要 {limit} 项。", "At least {limit} entries are needed."),
    "TOO_MANY": Entry(422, "过多", "Too many", "最多 {most} 项。", "{most} entries at most."),
    "HOLDS_RESIDENT_NUMBER": Entry(422, "含公民身份号码", "Holds a resident number", "此处不得含有公民身份号码;证件号码只填入 document.number。", "No resident identity number belongs here; it is given in document.number alone."),
    "BAD_AREA_CODE": Entry(422, "区域代码无效", "Bad area code", "区域代码以字母或数字开头,由字母、数字、点、横线、下划线组成,至多 64 个字符。", "An area code begins with a letter or digit and has letters, digits, dots, hyphens and underscores, 64 at most."),
}

COMMANDS: Mapping[str, Entry] = {
    "BAD_IDEMPOTENCY_KEY": Entry(422, "幂等键无效", "Bad idempotency key", "幂等键须为 1 至 255 个可见 ASCII 字符。", "An idempotency key has 1 to 255 visible ASCII characters."),
    "IDEMPOTENCY_KEY_NOT_TAKEN": Entry(400, "此处不收幂等键", "No idempotency key here", "此接口每次都给出新的一次性内容,重发得不到原来的应答;请去掉 Idempotency-Key 后再发。", "Each request here makes something new that is told once, so a repeat cannot get the first answer; send it without Idempotency-Key."),
    "IDEMPOTENCY_KEY_TWICE": Entry(400, "幂等键重复", "Two idempotency keys", "一个请求只能有一个 Idempotency-Key 头。", "A request has one Idempotency-Key header at most."),
    "BAD_IMPORT_ID": Entry(400, "导入编号无效", "Bad import id", "X-Parkunion-Import 头只能有一个,其值以字母或数字开头,由字母、数字、点、横线、下划线组成,至多 64 个字符。", "A request has one X-Parkunion-Import header at most; its value begins with a letter or digit and has letters, digits, dots, hyphens and underscores, 64 at most."),
    "IDEMPOTENCY_KEY_REUSED": Entry(422, "幂等键已用于其他请求", "Idempotency key reused", "同一幂等键曾用于内容不同的请求。", "The same key was used for another request."),
    "PRECONDITION_FAILED": Entry(412, "前提不符", "Precondition failed", "内容在读取之后已有变更;请重新读取。", "What is changed here has changed since it was read; read it again."),
    "NOT_YET_KNOWN": Entry(409, "尚未获知", "Not yet known", "{id} 可能刚刚登记,本服务尚未获知,请稍后重试。", "{id} may just have been registered and is not known here yet; try again."),
}

BATCHES: Mapping[str, Entry] = {
    "EMPTY_BATCH": Entry(422, "批次为空", "Empty batch", "批次中没有任何一行。", "The batch has no line."),
    "TOO_MANY_LINES": Entry(413, "行数过多", "Too many lines", "一个批次最多 {most} 行;未处理任何一行。", "A batch has {most} lines at most; none was done."),
    "LINE_TOO_LARGE": Entry(413, "行过长", "Line too large", "一行最多 {most} 字节。", "A line has {most} bytes at most."),
    "UNKNOWN_OP": Entry(422, "未知操作", "Unknown op", "op 须为下列之一:{expected}。", "op must be one of: {expected}."),
}

SHARED_FACTS: Mapping[str, Entry] = {
    "MORE_ERRORS": Entry(422, "错误过多", "More errors", "还有 {count} 处错误未列出;改正已列出的再试。", "{count} more errors are not listed; mend those that are, and try again."),
    "UNKNOWN_AREA": Entry(422, "未知区域", "Unknown area", "没有区域 {area}。", "There is no area {area}.", (404,)),
    "UNKNOWN_ENTERPRISE": Entry(422, "未知企业", "Unknown enterprise", "没有企业 {enterprise}。", "There is no enterprise {enterprise}.", (404,)),
    "UNKNOWN_EVENT": Entry(422, "未知事件", "Unknown event", "没有事件 {event}。", "There is no event {event}."),
    "ENTERPRISE_CLOSED": Entry(422, "企业已终止", "Enterprise closed", "企业 {enterprise} 已于 {closed_on} 终止。", "The enterprise {enterprise} closed on {closed_on}."),
    "ALREADY_CORRECTED": Entry(409, "已被更正", "Already corrected", "此事实已被更正;请更正最新的一次:{latest}。", "This fact was corrected already; correct the latest: {latest}."),
    "FACT_WITHDRAWN": Entry(409, "事实已撤回", "Fact withdrawn", "事件 {event} 所述事实已撤回。", "The fact of the event {event} was withdrawn."),
    "NOT_CORRECTABLE": Entry(422, "不可更正", "Not correctable", "{field} 不可更正。", "{field} cannot be corrected."),
    "NOTHING_TO_CHANGE": Entry(422, "无可变更", "Nothing to change", "内容与现有记录相同,或未给出任何变更。", "It says what is known already, or nothing at all."),
    "REASON_NOT_LISTED": Entry(422, "原因代码不在列表内", "Reason not in the list", "原因须为下列代码之一:{expected};其他说明请写入 note。", "A reason is one of the codes: {expected}. Other words belong into note."),
    "RESERVED_REASON": Entry(422, "保留的原因代码", "Reserved reason", "原因代码 {reason} 由平台使用。", "The reason {reason} is the platform's own."),
    "UNKNOWN_STREAM": Entry(404, "未知事件流", "Unknown stream", "本服务没有事件流 {subject}。", "This service has no stream {subject}."),
    "FROM_AFTER_TO": Entry(422, "区间颠倒", "Range turned round", "from 不得大于 to。", "from may not be greater than to."),
    "UNKNOWN_SEQUENCE": Entry(422, "未知序号", "Unknown sequence", "该事件流只有序号 1 至 {last}。", "The stream has the sequences 1 to {last} only."),
    "HOLDS_CORRECTION": Entry(422, "区间含更正或撤销", "Range holds a correction", "序号 {sequence} 是更正或撤销事件,不能被撤销。", "The sequence {sequence} is a correction or a withdrawal, which cannot be withdrawn."),
    "OTHERS_REST_ON_IT": Entry(409, "另有事实以此为据", "Other facts rest on it", "序号 {sequence} 所述事实之上还有其他事实;请先撤销或更正它们。", "Other facts of the stream rest on that of the sequence {sequence}; withdraw or correct them first."),
    "STREAM_UNREADABLE": Entry(409, "事件流无法读取", "Stream cannot be read", "事件流中序号 {sequence} 的事件本版本无法读取;请升级服务或撤销该事件。", "This release cannot read the event {sequence} of the stream; update the service, or withdraw the event."),
    "BEFORE_SETTLED": Entry(201, "早于入驻", "Before settling", "日期早于企业入驻;已保留,自入驻起计算。", "The date is before the enterprise settled; it is kept and counts from then on."),
    "AFTER_CLOSURE": Entry(201, "晚于终止", "After closure", "日期在企业终止之日或以后;已保留,不计算。", "The date is on or after the day of the enterprise's closure; it is kept and does not count."),
    "INVALID_DOCUMENT": Entry(422, "证件无效", "Invalid document", "证件号码不符合{document}的规则:{rule}。", "The number is not one of the kind {document}: {rule}."),
}

REGISTRY: Mapping[str, Entry] = {
    "UNKNOWN_PARK": Entry(422, "未知园区", "Unknown park", "没有园区 {park}。", "There is no park {park}."),
    "NOT_A_PARK": Entry(422, "不是园区", "Not a park", "{park} 是行政区划,不是园区。", "{park} is a division, not a park."),
    "NOT_A_DIVISION": Entry(422, "不是行政区划", "Not a division", "{area} 是园区,不能包含其他区域。", "{area} is a park and holds no other area."),
    "PARENT_REQUIRED": Entry(422, "缺少上级区域", "Parent required", "园区须位于某个行政区划之内。", "A park lies in a division."),
    "DUPLICATE_AREA": Entry(409, "区域已存在", "Duplicate area", "区域代码 {area} 已登记。", "The area code {area} is registered already."),
    "AREA_CYCLE": Entry(422, "区域循环", "Areas in a circle", "{parent} 位于 {area} 之内,不能作其上级。", "{parent} lies in {area} and cannot hold it."),
    "AREA_IN_USE": Entry(409, "区域在用", "Area in use", "区域 {area} 仍有下级区域或企业。", "The area {area} has areas in it, or enterprises refer to it."),
    "INVALID_CREDIT_CODE": Entry(422, "统一社会信用代码无效", "Invalid credit code", "统一社会信用代码为 18 位,不含 I、O、Z、S、V;15 位工商注册号请填 registration_number。", "A unified social credit code has 18 characters, without I, O, Z, S, V; a registration number of 15 digits belongs into registration_number."),
    "WRONG_CHECK_CHARACTER": Entry(422, "校验码错误", "Wrong check character", "统一社会信用代码的末位校验码不符(GB 32100-2015)。", "The last character does not check the others (GB 32100-2015)."),
    "INVALID_REGISTRATION_NUMBER": Entry(422, "注册号无效", "Invalid registration number", "工商注册号为 15 位数字;18 位的统一社会信用代码请填 credit_code。", "A business registration number has 15 digits; a credit code of 18 characters belongs into credit_code."),
    "WRONG_CHECK_DIGIT": Entry(201, "注册号校验位错误", "Wrong check digit", "15 位注册号的末位校验位不符(GS 15-2006);已登记,请核对。", "The last digit of the registration number does not check the others (GS 15-2006); registered all the same, please check."),
    "DUPLICATE_REGISTRATION_NUMBER": Entry(409, "注册号重复", "Duplicate registration number", "注册号 {registration_number} 已属于另一企业。", "Another enterprise has the registration number {registration_number}."),
    "DUPLICATE_CREDIT_CODE": Entry(409, "统一社会信用代码重复", "Duplicate credit code", "统一社会信用代码 {credit_code} 已属于另一企业。", "Another enterprise has the credit code {credit_code}."),
    "PROBABLE_DUPLICATE": Entry(201, "疑似重复", "Probable duplicate", "该园区已有名称相近的企业;已登记,请核对。", "The park has an enterprise of almost the same name; registered all the same, please check."),
    "INVALID_INDUSTRY": Entry(422, "行业代码无效", "Invalid industry", "行业为 GB/T 4754 的门类字母 A–T,可后接至多四位数字。", "An industry is a section letter A–T of GB/T 4754 with up to four digits behind it."),
    "INVALID_OWNERSHIP": Entry(422, "登记注册类型无效", "Invalid ownership", "登记注册类型须为下列代码之一:{expected}。", "An ownership is one of the codes: {expected}."),
    "TOO_MANY_DECIMALS": Entry(422, "小数位过多", "Too many decimals", "金额以元计,至多两位小数。", "An amount is in yuan with two decimals at most."),
    "SAME_PARK": Entry(201, "园区未变", "Same park", "按现有记录,企业当时已在该园区;已保留,补录更早的迁出后即生效。", "By what is known, the enterprise was in that park by then already; the move is kept, and counts if an earlier move away becomes known."),
    "MOVED_BEFORE_SETTLING": Entry(422, "迁移早于入驻", "Moved before settling", "迁移不得早于入驻之日 {settled_on}。", "A move cannot be before the settling on {settled_on}."),
    "CLOSED_BEFORE_SETTLING": Entry(422, "终止早于入驻", "Closed before settling", "终止不得早于入驻之日 {settled_on}。", "A closure cannot be before the settling on {settled_on}."),
    "ALREADY_CLOSED": Entry(409, "企业已终止", "Already closed", "企业已于 {closed_on} 终止;日期有误请更正原记录。", "The enterprise closed on {closed_on}; if that is wrong, correct it."),
    "FACTS_AFTER_CLOSURE": Entry(201, "终止后仍有记录", "Facts after closure", "企业在终止之日以后尚有记录;已保留,不再计算。", "There are facts of days after the closure; they are kept and count no longer."),
    "INVALID_SUBJECT": Entry(422, "事件流无效", "Invalid subject", "事件流写作 enterprise/<id> 或 area/<code>。", "A stream is written enterprise/<id> or area/<code>."),
}

MEMBERSHIP: Mapping[str, Entry] = {
    "UNKNOWN_UNION": Entry(422, "未知工会", "Unknown union", "没有工会 {union}。", "There is no union {union}."),
    "UNKNOWN_MEMBER": Entry(404, "未知会员", "Unknown member", "没有会籍 {member}。", "There is no membership {member}."),
    "STARTED_OR_ENDED": Entry(422, "开始或结束", "Started or ended", "请在 started 与 ended 中给出且仅给出一个。", "Say either started or ended."),
    "COVERAGE_ORDER": Entry(409, "覆盖期间重叠", "Coverages overlap", "该工会对此企业已有覆盖记录(如 {on}),各覆盖期间不得重叠;补录过去的覆盖请给出 ended_on。", "The union has another coverage of this enterprise (as on {on}); coverages may not overlap. A past one is entered with ended_on."),
    "ENDED_BEFORE_IT_BEGAN": Entry(422, "结束早于开始", "Ended before it began", "结束日期须晚于开始日期 {on}。", "The end must be after the beginning on {on}."),
    "ALREADY_COVERED": Entry(409, "已被覆盖", "Already covered", "企业 {enterprise} 已由工会 {union} 覆盖。", "The enterprise {enterprise} is covered by the union {union} already."),
    "NOT_COVERED": Entry(422, "未被覆盖", "Not covered", "该工会在 {on} 未覆盖企业 {enterprise}。", "The union does not cover the enterprise {enterprise} on {on}."),
    "ALREADY_DISSOLVED": Entry(409, "工会已撤销", "Already dissolved", "工会 {union} 已于 {on} 撤销。", "The union {union} was dissolved on {on}."),
    "BEFORE_FOUNDING": Entry(422, "早于建会", "Before founding", "日期早于工会批准之日 {founded_on}。", "The date is before the union's approval on {founded_on}.", (409,)),
    "BEFORE_COVERAGE": Entry(422, "早于覆盖", "Before coverage", "日期早于工会最近一次覆盖记录 {on}。", "The date is before the union's last coverage fact of {on}."),
    "ONE_UNIT_ONLY": Entry(422, "仅限一个单位", "One unit only", "基层工会委员会只覆盖一个单位。", "An enterprise union covers one unit only."),
    "SAME_MEMBERSHIP": Entry(422, "会籍未变", "Same membership", "该会员当日已在该企业的该工会;若此前另有接转,请先录入。", "The member is in that union at that enterprise on that day already; if another transfer was before, enter that one first."),
    "ALREADY_MEMBER": Entry(409, "已是会员", "Already a member", "此人在这些日期已是{where}的会员;到别处工作请办理接转,补录过去的会籍请给出 left_on 和 left_reason。", "The person is a member {where} on some of those days; a change of union or enterprise is a transfer, and a past membership is entered with left_on and left_reason."),
    "ALREADY_LEFT": Entry(409, "已退会", "Already left", "该会员已于 {on} 退会。", "The member left on {on}."),
    "ALREADY_TRANSFERRED": Entry(409, "已接转", "Already transferred", "该会员已于 {on} 接转,此后的会籍为 {member};当日或此前的事项请先更正该接转。", "The member was transferred on {on}; the membership from then on is {member}. What was on that day or before needs a correction of the transfer first."),
    "NO_LONGER_COVERED": Entry(201, "覆盖已终止", "No longer covered", "该工会对此企业的覆盖已于 {on} 终止;已保留,仍计为会员,请核对日期与工会,必要时办理接转或退会。", "The union's coverage of the enterprise ended on {on}; it is kept, and the member counts. Please check date and union; the member may need a transfer or may have left."),
    "UNION_GOES_ON": Entry(201, "工会继续存在", "The union goes on", "该工会曾随最后一个单位终止而于 {on} 撤销;现有新的覆盖,撤销已相应更正,请核对。", "The union had ended on {on} with its last unit; since it covers this one, its end was corrected. Please check."),
    "ENDS_WITH_UNION": Entry(201, "覆盖随工会撤销而终止", "It ends with the union", "该工会已于 {on} 撤销;此覆盖已保留,并于同日终止。", "The union was dissolved on {on}; the coverage is kept and ends that day."),
    "END_TAKEN_OVER": Entry(201, "退会已移至新会籍", "The end is now that of the new membership", "该会员已于 {on} 退会;接转在此之前,故该退会现属新的会籍,请核对。", "The member left on {on}; since the transfer was before, that end is now the end of the new membership, please check."),
    "ACTED_ON_SUCCESSOR": Entry(201, "已记入接转后的会籍", "It was recorded of a later membership", "会籍 {named} 此前已接转;本次办理已记入当日有效的会籍 {member},请核对。", "The membership {named} had ended by a transfer before; this was recorded of the membership {member}, which held on that day, please check."),
    "OTHER_HALF_OF_TRANSFER": Entry(201, "接转的另一半未变", "The other half of the transfer is as it was", "此事实是一次接转的一半;另一半(事件 {event},会籍 {member})未随之更正或撤回,请一并处理。", "This fact is one half of a transfer; the other half (event {event}, membership {member}) still stands as it was: correct or withdraw it, too."),
    "BEFORE_JOINING": Entry(422, "早于入会", "Before joining", "日期早于入会之日 {joined_on}。", "The date is before the joining on {joined_on}.", (409,)),
    "NO_ENTERPRISES": Entry(422, "缺少单位", "No enterprises", "{kind} 须至少覆盖一个单位。", "A union of the kind {kind} covers at least one unit."),
    "DUPLICATE_ENTERPRISE": Entry(422, "企业重复", "Duplicate enterprise", "同一企业列出了两次。", "An enterprise is named twice."),
    "STILL_COVERS": Entry(409, "仍有覆盖", "Still covers", "工会 {union} 仍有覆盖或会员记录。", "The union {union} still has facts of coverage or members."),
}

FILES: Mapping[str, Entry] = {
    "FILE_UNREADABLE": Entry(422, "文件无法打开", "File cannot be opened", "无法打开文件:{reason}。", "The file cannot be opened: {reason}."),
    "FILE_EMPTY": Entry(422, "文件为空", "Empty file", "文件中没有任何数据行。", "The file has no row of data."),
    "NOT_A_TABLE": Entry(422, "不是 CSV 表格", "Not a CSV table", "文件不是所需形式的 CSV(首行须为以逗号分隔的列名)。", "The file is no CSV of this form: its first line must name the columns, with commas between."),
    "NOT_NDJSON": Entry(422, "不是 NDJSON", "Not NDJSON", "文件中没有一行是 JSON 对象。", "No line of the file is a JSON object."),
    "MISSING_COLUMN": Entry(422, "缺少列", "Missing column", "缺少列“{column}”。", "The column “{column}” is missing."),
    "DUPLICATE_COLUMN": Entry(422, "列重复", "Duplicate column", "列“{column}”出现多次。", "The column “{column}” is there more than once."),
    "UNKNOWN_ENCODING": Entry(422, "文字编码无法识别", "Unknown encoding", "文字既不是 UTF-8(可带 BOM)也不是 GB 18030,请另存为 UTF-8。", "The text is neither UTF-8 (with or without BOM) nor GB 18030; save it as UTF-8."),
    "BROKEN_ROW": Entry(422, "行不完整", "Broken row", "该行有 {found} 个字段,应为 {expected} 个。", "The row has {found} fields instead of {expected}."),
    "BROKEN_QUOTES": Entry(422, "引号不成对", "Broken quotes", "该行的引号不成对。", "The quotes of the row do not match."),
    "UNKNOWN_REFERENCE": Entry(422, "引用无法找到", "Reference not found", "没有找到“{value}”。", "“{value}” was not found."),
    "NOT_LOADED_BEFORE_IT": Entry(422, "所依赖的行未导入", "What it needs was refused", "所依赖的{what}未被接受,故未导入。", "What it refers to ({what}) was refused, so this was not brought in."),
}

METRICS: Mapping[str, Entry] = {
    "LOGIN_CODE_USED": Entry(401, "登录码无效", "Login code not valid", "登录码已用过、已过期或不存在。", "The login code was used before, is too old, or never was one."),
    "SIGN_IN_FAILED": Entry(401, "登录未完成", "Sign-in not completed", "登录未完成或已超时,请重新登录。", "The sign-in was not completed, or took too long; please sign in again."),
    "SIGN_IN_UNAVAILABLE": Entry(503, "登录服务暂不可用", "Sign-in not available", "统一身份认证服务暂时没有应答,请稍后再试。", "The identity provider does not answer at present; try again later."),
    "NOT_OUR_PAGE": Entry(403, "请求来自其他网站", "Request from another site", "此操作只能在本平台的页面上进行。", "This can only be done from a page of this service."),
    "REBUILD_NEEDED": Entry(503, "须重建数据", "Rebuild needed", "现有数据由规则版本 {fold_version} 生成,尚无所问的数据;请运行 parkunion rebuild 重建。", "The figures were folded by version {fold_version}, before there were such figures; run parkunion rebuild."),
}

SUBSCRIPTIONS: Mapping[str, Entry] = {
    "UNKNOWN_SUBSCRIPTION": Entry(404, "未知订阅", "Unknown subscription", "没有订阅 {subscription}。", "There is no subscription {subscription}."),
    "NUMBER_NOT_ASSIGNED": Entry(422, "编号尚未分配", "Number not assigned", "编号 {number} 尚未分配;本订阅最后的编号为 {last}。", "The number {number} is not assigned yet; the last one of this subscription is {last}.", (404,)),
    "UNKNOWN_GRANT": Entry(422, "未知授权", "Unknown grant", "没有授权 {grant}。", "There is no grant {grant}.", (404,)),
    "UNKNOWN_CLIENT": Entry(422, "未知客户端", "Unknown client", "身份提供方没有名为 {client} 的客户端。", "The identity provider has no client {client}."),
    "UNKNOWN_TYPE": Entry(422, "未知事件类型", "Unknown type", "没有此事件类型;可授权的类型为:{expected}。", "There is no such type of event. What can be granted: {expected}."),
    "UNKNOWN_DATA_FIELD": Entry(422, "该类型无此字段", "The type has no such field", "类型 {type} 没有此字段;可授权的字段为:{expected}。", "The type {type} has no such field. What can be granted of it: {expected}."),
    "FIELDS_OF_OTHER_TYPE": Entry(422, "字段所属类型未列入", "Fields of a type that is not named", "fields 中的类型 {type} 不在 types 之内。", "fields names the type {type}, which is not among types."),
    "NOT_AFTER_TOO_EARLY": Entry(422, "终止早于起始", "It ends before it begins", "not_after 须晚于 not_before({not_before})。", "not_after must be later than not_before ({not_before})."),
    "NOT_AFTER_PAST": Entry(422, "终止时刻已过", "It has ended already", "not_after 已经过去(现为 {now});立即终止请办理撤销。", "not_after has passed (it is {now}); what is to end at once is revoked."),
    "NARROWING_WIDENS": Entry(422, "变更超出现有授权", "The narrowing widens", "授权只能缩小:{wanted} 不在现有范围内(现为:{expected})。", "A grant can only be narrowed: {wanted} is not within what it is now ({expected})."),
    "GRANT_REVOKED": Entry(409, "授权已撤销", "Grant revoked", "授权 {grant} 已撤销。", "The grant {grant} was revoked."),
    "GRANT_EXPIRED": Entry(409, "授权已到期", "Grant expired", "授权 {grant} 已于 {not_after} 到期。", "The grant {grant} ended at {not_after}."),
    "WIDER_THAN_GRANT": Entry(422, "超出授权", "Wider than the grant", "{wanted} 不在该授权之内;授权包含:{expected}。", "{wanted} is not within the grant, which holds: {expected}."),
    "NOT_IN_THIS_STATUS": Entry(409, "当前状态不允许", "Not in this status", "订阅现为 {status},不能办理此事;须为:{expected}。", "The subscription is {status}, in which this is not possible; it must be: {expected}."),
    "NO_ENDPOINT": Entry(409, "没有接收网址", "No endpoint", "拉取方式的订阅没有接收网址;请以 GET …/events 取得事件。", "A pull subscription has no endpoint; its events are at GET …/events."),
    "ROTATED_TOO_OFTEN": Entry(409, "更换密钥过于频繁", "Rotated too often", "本订阅现有 {most} 个有效密钥,已达上限;旧密钥在更换 24 小时后失效,届时可再更换。", "This subscription has {most} keys in force, the most that there may be; an old one ends 24 hours after its rotation, and then there can be another."),
    "REPLAY_FROM_ONE": Entry(422, "重放起点不明", "Replay from where", "请在 from_number 与 from_time 中给出且仅给出一个。", "Say either from_number or from_time."),
    "OUTSIDE_RETENTION": Entry(410, "已过保存期限", "Outside retention", "编号 {number} 的内容已不再保存;其标识与摘要见 {manifest}。", "The content of number {number} is no longer kept; its id and hash are in {manifest}."),
    "URL_TOO_LONG": Entry(422, "网址过长", "URL too long", "接收网址至多 {most} 个字符。", "The URL of an endpoint has {most} characters at most."),
    "INVALID_URL": Entry(422, "网址无效", "Invalid URL", "接收网址须写作 https://主机[:端口]/路径,主机为域名或 IP 地址。", "The URL of an endpoint is written https://host[:port]/path; the host is a name or an IP address."),
    "URL_NOT_HTTPS": Entry(422, "网址须用 https", "URL without https", "接收网址须以 https:// 开头;只有运行方放行的网络(--allow-network)可用 http://。", "The URL of an endpoint begins with https://; http:// is for networks that the operator has allowed (--allow-network)."),
    "URL_WITH_USER_INFO": Entry(422, "网址含用户信息", "URL with user info", "接收网址不得含用户名或密码。", "The URL of an endpoint has no user name and no password."),
    "URL_WITH_FRAGMENT": Entry(422, "网址含片段", "URL with a fragment", "接收网址不得含 # 及其后的内容。", "The URL of an endpoint has no # and nothing behind it."),
    "UNRESOLVABLE_HOST": Entry(422, "主机名无法解析", "Host not resolvable", "主机名目前无法解析为地址,请核对。", "The host name cannot be resolved to an address at present; please check it."),
    "ADDRESS_NOT_ALLOWED": Entry(422, "地址不可用", "Address not allowed", "该主机的地址不是公网地址,运行方也未放行其网络(--allow-network)。", "An address of the host is not public, and the operator has not allowed its network (--allow-network)."),
    "CURSOR_UNKNOWN": Entry(410, "游标无法识别", "Unknown cursor", "这不是本订阅的游标或编号。请用 resume 从仍保留的最早事件继续,并与每日清单核对有无遗漏。", "This is no cursor or number of this subscription. Go on with `resume`, from the oldest event that is still kept, and compare with the manifests of the days what was missed."),
    "EVENTS_REMOVED": Entry(410, "事件内容已删除", "Events removed", "编号 {number} 的内容已过保存期限,不再提供;其标识与摘要见 {manifest}。请用 resume 从仍保留的下一事件继续。", "The content of number {number} was removed after the time of retention; its id and hash are in {manifest}. Go on with `resume`, from the next event that is still kept."),
    "NOT_A_PULL_SUBSCRIPTION": Entry(409, "不是拉取订阅", "Not a pull subscription", "只有订阅方本身可以确认,且仅限拉取方式的订阅;推送是否送达以接收端的应答为准。", "Only its own client confirms receipt, and only of a pull subscription; what was pushed is known by the answers of the endpoint."),
}

CASES: Mapping[str, Entry] = {
    "UNKNOWN_CASE": Entry(404, "未知案件", "Unknown case", "没有案件 {id}。", "There is no case {id}."),
    "UNKNOWN_HARDSHIP": Entry(404, "未知困难档案", "Unknown hardship file", "没有困难档案 {id}。", "There is no hardship file {id}."),
    "UNKNOWN_HELP": Entry(404, "未知就业帮扶", "Unknown employment help", "没有就业帮扶记录 {id}。", "There is no employment help {id}."),
    "UNKNOWN_PACT": Entry(404, "未知约定", "Unknown pact", "没有共同约定 {id}。", "There is no pact {id}."),
    "UNKNOWN_NEGOTIATION": Entry(404, "未知协商", "Unknown negotiation", "没有协商 {id}。", "There is no negotiation {id}."),
    "UNKNOWN_CONTRACT": Entry(404, "未知集体合同", "Unknown contract", "没有集体合同 {id}。", "There is no contract {id}."),
    "UNKNOWN_MEETING": Entry(404, "未知三方会议", "Unknown tripartite meeting", "没有三方会议 {id}。", "There is no tripartite meeting {id}."),
    "UNKNOWN_CONGRESS": Entry(404, "未知职代会", "Unknown workers' congress", "没有职代会 {id}。", "There is no workers' congress {id}."),
    "UNKNOWN_ASSESSMENT": Entry(404, "未知评价", "Unknown assessment", "没有评价 {id}。", "There is no assessment {id}."),
    "UNKNOWN_AWARD": Entry(404, "未知荣誉", "Unknown award", "没有荣誉 {id}。", "There is no award {id}."),
    "DAY_NAMED_TWICE": Entry(422, "日期重复", "Day named twice", "{day} 列出了两次;一天或为休息日,或为工作日。", "{day} is listed twice; a day is either a holiday or a working day."),
    "NOT_A_WEEKEND": Entry(422, "不是周末", "Not a weekend", "{day} 不是周六或周日;调休上班日只列周末,其他工作日无须列出。", "{day} is no Saturday or Sunday; only weekends on which people work are listed, other working days need not be."),
    "UNKNOWN_RULE": Entry(422, "未知规则", "Unknown rule", "没有此规则;可设定的规则为:{expected}。", "There is no such rule. What can be set: {expected}.", (404,)),
    "STEP_NOT_ALLOWED": Entry(409, "当前状态不允许此步骤", "The state does not allow the step", "当前状态不允许 {step};可办理:{allowed}。", "The state does not allow {step}; it allows: {allowed}."),
    "NOT_FOR_KIND": Entry(422, "与类别不符", "Not for this kind", "类别 {kind} 没有此字段。", "The kind {kind} has no such field."),
    "NOT_FOR_STEP": Entry(422, "与步骤不符", "Not for this step", "步骤 {step} 没有此字段。", "The step {step} has no such field."),
    "UNKNOWN_LETTER": Entry(422, "未知文书", "Unknown letter", "没有待答复的监督文书与所填相符。", "No letter like the one that is named waits for a reply."),
    "FILE_IS_OPEN": Entry(409, "已有未结档案", "There is an open file", "此人在该区域已有未结的困难档案 {id},情况变化请办理复核。", "The person has an open hardship file in the area, {id}; what has changed is entered as a review of it."),
    "NOT_IN_HARDSHIP": Entry(409, "未认定为困难", "Not in hardship", "档案当日的认定结果为 none,不能发放帮扶资金。", "On that day the file is decided to be none, so no aid is paid from it."),
    "ENTERPRISE_TWICE": Entry(422, "企业重复", "Enterprise named twice", "企业 {enterprise} 列出了两次。", "The enterprise {enterprise} is named twice."),
    "ENTERPRISE_OR_AREA": Entry(422, "企业与区域二选一", "Enterprise or area", "企业与区域只能填写一个。", "Name an enterprise or an area, not both."),
    "UNUSUAL_TERM": Entry(201, "期限少见", "Unusual term", "集体合同期限一般为一至三年;已登记,请核对。", "The term of a collective contract is one to three years; entered all the same, please check."),
    "SEVERAL_ENTERPRISES": Entry(409, "涉及多家企业", "It concerns several enterprises", "此事实同时记在多家企业名下,不能逐家更正;请撤销后重新登记。", "The fact stands on the streams of several enterprises and cannot be corrected on one alone; withdraw it and enter it anew."),
}
# fmt: on

SECTIONS: Mapping[str, Mapping[str, Entry]] = {
    "Requests": REQUESTS,
    "Fields": FIELDS,
    "Commands": COMMANDS,
    "Batches": BATCHES,
    "Facts": SHARED_FACTS,
    "Registry": REGISTRY,
    "Membership": MEMBERSHIP,
    "Cases": CASES,
    "Metrics": METRICS,
    "Files that are imported": FILES,
    "Subscriptions": SUBSCRIPTIONS,
}
CODES: dict[str, Entry] = {code: entry for section in SECTIONS.values() for code, entry in section.items()}


def page() -> str:
    """The catalogue as Markdown: docs/problems.md."""
    lines = [
        "# Problems",
        "",
        "Generated from `shared/problems/catalogue.py` by `python -m shared.problems.catalogue > docs/problems.md`.",
        "",
        "Every refusal of every API is an RFC 9457 problem (`application/problem+json`):",
        '`{"type","title","status","code","errors":[{"row","field","code","message_zh","message_en"}]}`.',
        "`type` is the relative reference `/problems/<CODE>`, which each service answers with the code's text; `title` follows",
        "Accept-Language (zh or en; zh by default). `field` is the dotted path in the body or the parameter's name; `row` is the line of a",
        "batch, from 1. The first status is the usual one, another comes where it is said of another thing. With 409 `NOT_YET_KNOWN`,",
        "429 and 503 comes `Retry-After` (seconds). Codes with status 201 are warnings beside a success.",
        "",
    ]
    for name, section in SECTIONS.items():
        if section:
            lines += [f"## {name}", "", "| code | status | zh | en |", "|---|---|---|---|"]
            lines += [
                f"| `{code}` | {', '.join(map(str, (entry.status, *entry.also)))} | {entry.title_zh}:{entry.message_zh} | {entry.title_en}: {entry.message_en} |"
                for code, entry in section.items()
            ]
            lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    print(page(), end="")
