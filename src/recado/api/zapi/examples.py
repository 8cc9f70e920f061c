"""The values of Z-API's documented examples. The test of all routes puts what is really there in their place."""

PHONE = "5511999999999"
OTHER_PHONE = "5511988888888"
GROUP = "120363019502650977-group"
COMMUNITY = "98372465382764532938"
#: A group in `COMMUNITY`.
SUB_GROUP = "120363021234567890-group"
NEWSLETTER = "999999999999999999@newsletter"
#: A message of the chat with `PHONE`, sent through the API; and one that came from there.
MESSAGE = "3999984263738042930CD6ECDE9VDWSA"
RECEIVED = "3EB0796DC6B777C0C7CD"
#: A message in `GROUP` that came from a participant: a poll, an event.
POLL = "D2D612289D9E8F62307D72409A8D9DC3"
EVENT = "D5D612289D9E8F62307D72409A8D9DC3"
STATUS = "D6D612289D9E8F62307D72409A8D9DC3"
#: Two ids of a waiting message.
ZAAP = "3999984263738042930CD6ECDE9VDWSB"
TAG = "10"
#: What somebody is sent and types in.
CODE = "123456"
PRODUCT = "7190654897637620"
COLLECTION = "1026089222069663"
#: A category of businesses.
CATEGORY = "629412378414563"
INVITE = "https://chat.whatsapp.com/C1adgkdEGki7554BWDdMkd"
IMAGE = "https://www.z-api.io/wp-content/themes/z-api/dist/images/logo.png"
VIDEO = "https://www.z-api.io/example.mp4"
AUDIO = "https://www.z-api.io/example.ogg"
DOCUMENT = "https://www.z-api.io/example.pdf"
STICKER = "https://www.z-api.io/example.webp"
#: What a button copies.
CODE = "Valor a ser copiado"

SENT = {
    "zaapId": "3999984263738042930CD6ECDE9VDWSA",
    "messageId": "D241XXXX732339502B68",
    "id": "D241XXXX732339502B68",
}
DONE = {"value": True}
SUCCESS = {"success": True}
