"""Codes of requests, of their fields, and of commands and batches: the same in every service."""

from __future__ import annotations

from collections.abc import Mapping

from shared.problems.catalogue.entry import Entry

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
    "NOT_A_NUMBER": Entry(422, "不是数字", "Not a number", "此字段须为数字:JSON 中不加引号、用半角书写,CSV 中不用千位分隔符,如 1200。", "This field is a number: in JSON without quotes and in ordinary (half-width) digits, in CSV without thousands separators, such as 1200."),
    "NOT_A_WHOLE_NUMBER": Entry(422, "不是整数", "Not a whole number", "此字段须为整数:JSON 中不加引号、用半角书写,CSV 中不用千位分隔符,如 1200。", "This field is a whole number: in JSON without quotes and in ordinary (half-width) digits, in CSV without thousands separators, such as 1200."),
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
# fmt: on
