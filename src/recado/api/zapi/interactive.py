"""Routes that send what a person can press or choose from, and that press it on the number's own behalf."""

from typing import Any, ClassVar, Literal

from recado.api.zapi import examples, fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Body, Call, Example, Route
from recado.api.zapi.sends import AboutBody, Send, SendBody, known

Json = dict[str, Any]


# --- buttons --------------------------------------------------------------------------------------------


class Action(Body, frozen=True, kw_only=True):
    type: Literal["CALL", "URL", "REPLY"]
    label: fields.Words
    id: fields.Text | None = None
    phone: fields.Phone | None = None
    url: str | None = None


class ButtonActionsBody(SendBody, frozen=True, kw_only=True):
    message: fields.Words
    button_actions: tuple[Action, ...]
    title: fields.Text | None = None
    footer: fields.Text | None = None
    image: str | None = None


class SendButtonActions(Send):
    """Send buttons that call, open a page or answer."""

    path: ClassVar[str] = "/send-button-actions"
    body: ClassVar[Any] = ButtonActionsBody
    needs: ClassVar[tuple[str, ...]] = ("buttons",)
    note: ClassVar[str] = "A button that answers has its label for an `id` where it is given none."
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "message": "uma mensagem",
            "title": "se quiser vincular um titulo",
            "footer": "se quiser vincular um rodape top",
            "buttonActions": [
                {"id": "1", "type": "CALL", "phone": "5511999990002", "label": "Fale conosco"},
                {"id": "2", "type": "URL", "url": "https://z-api.io", "label": "Visite nosso site"},
            ],
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: ButtonActionsBody) -> tuple[str, Any]:
        """Buttons."""
        return "buttons", {
            "body": fields.lines(body.message),
            "buttons": [_pressed(one, f"buttonActions[{place}]") for place, one in enumerate(body.button_actions)],
            "header": fields.optional(body.title),
            "footer": fields.optional(body.footer),
            "image": _picture(body.image),
        }


class ListedButton(Body, frozen=True, kw_only=True):
    label: fields.Words
    id: fields.Text | None = None


class ButtonList(Body, frozen=True, kw_only=True):
    buttons: tuple[ListedButton, ...]
    image: str | None = None
    video: str | None = None


class ButtonListBody(SendBody, frozen=True, kw_only=True):
    message: fields.Words
    button_list: ButtonList


class SendButtonList(Send):
    """Send buttons that answer, under a text, an image or a video."""

    path: ClassVar[str] = "/send-button-list"
    body: ClassVar[Any] = ButtonListBody
    needs: ClassVar[tuple[str, ...]] = ("buttons",)
    note: ClassVar[str] = SendButtonActions.note
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "message": "Z-API é Bom ?",
            "buttonList": {"buttons": [{"id": "1", "label": "Ótimo"}, {"id": "2", "label": "Excelente"}]},
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: ButtonListBody) -> tuple[str, Any]:
        """Buttons."""
        shown = body.button_list
        return "buttons", {
            "body": fields.lines(body.message),
            "buttons": [{"title": str(one.label), "id": _id(one.id, one.label)} for one in shown.buttons],
            "image": _picture(shown.image),
            "video": _picture(shown.video),
        }


class OtpBody(SendBody, frozen=True, kw_only=True):
    message: fields.Words
    code: fields.Words
    image: str | None = None
    button_text: fields.Text | None = None


class SendButtonOtp(Send):
    """Send a code with a button that copies it."""

    path: ClassVar[str] = "/send-button-otp"
    body: ClassVar[Any] = OtpBody
    needs: ClassVar[tuple[str, ...]] = ("otp",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "message": "Texto da mensagem", "code": examples.CODE},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: OtpBody) -> tuple[str, Any]:
        """A code."""
        return "otp", {
            "body": fields.lines(body.message),
            "code": str(body.code),
            "button": fields.optional(body.button_text) or "Copiar código",
            "image": _picture(body.image),
        }


class PixBody(SendBody, frozen=True, kw_only=True):
    pix_key: fields.Words
    type: str
    merchant_name: fields.Text | None = None


class SendButtonPix(Send):
    """Send a Pix key with a button that copies it."""

    path: ClassVar[str] = "/send-button-pix"
    body: ClassVar[Any] = PixBody
    needs: ClassVar[tuple[str, ...]] = ("pix",)
    note: ClassVar[str] = (
        "`type` is taken in upper case, as documented here, and in lower case, as documented for orders."
    )
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "pixKey": "pix@z-api.io", "type": "EMAIL", "merchantName": "Z-API"},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: PixBody) -> tuple[str, Any]:
        """A Pix key."""
        kind = body.type.lower()
        if kind not in _PIX_TYPES:
            raise ZapiError(f"type: must be one of {', '.join(one.upper() for one in _PIX_TYPES)}")
        return "pix", {"key": str(body.pix_key), "key_type": kind, "merchant_name": fields.optional(body.merchant_name)}


_PIX_TYPES = ("cpf", "cnpj", "phone", "email", "evp")


class Card(Body, frozen=True, kw_only=True):
    text: fields.Words
    image: str
    buttons: tuple[Action, ...] | None = None


class CarouselBody(SendBody, frozen=True, kw_only=True):
    message: fields.Words
    carousel: tuple[Card, ...]


class SendCarousel(Send):
    """Send cards with pictures and buttons."""

    path: ClassVar[str] = "/send-carousel"
    body: ClassVar[Any] = CarouselBody
    needs: ClassVar[tuple[str, ...]] = ("carousel",)
    note: ClassVar[str] = SendButtonActions.note
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "message": "Texto da mensagem",
            "carousel": [
                {
                    "text": "Texto do cartão",
                    "image": examples.IMAGE,
                    "buttons": [
                        {"id": "1", "label": "Nome do botão", "url": "https://z-api.io", "type": "URL"},
                        {"id": "2", "label": "Nome do botão", "type": "REPLY"},
                    ],
                }
            ],
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: CarouselBody) -> tuple[str, Any]:
        """The cards."""
        cards = [
            {
                "body": fields.lines(card.text),
                "image": _picture(card.image),
                "buttons": [
                    _pressed(one, f"carousel[{place}].buttons[{index}]") for index, one in enumerate(card.buttons or ())
                ],
            }
            for place, card in enumerate(body.carousel)
        ]
        return "carousel", {"body": fields.lines(body.message), "cards": cards}


class Option(Body, frozen=True, kw_only=True):
    title: fields.Words
    description: fields.Text | None = None
    id: fields.Text | None = None


class OptionList(Body, frozen=True, kw_only=True):
    title: fields.Text
    button_label: fields.Words
    options: tuple[Option, ...]


class OptionListBody(SendBody, frozen=True, kw_only=True):
    message: fields.Words
    option_list: OptionList


class SendOptionList(Send):
    """Send a list to choose from."""

    path: ClassVar[str] = "/send-option-list"
    body: ClassVar[Any] = OptionListBody
    needs: ClassVar[tuple[str, ...]] = ("list",)
    note: ClassVar[str] = "An option has its title for an `id` where it is given none."
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "message": "Selecione a melhor opção:",
            "optionList": {
                "title": "Opções disponíveis",
                "buttonLabel": "Abrir lista de opções",
                "options": [
                    {"id": "1", "description": "Z-API Asas para sua imaginação", "title": "Z-API"},
                    {"id": "2", "description": "Não funcionam", "title": "Outros"},
                ],
            },
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: OptionListBody) -> tuple[str, Any]:
        """A list of one section."""
        shown = body.option_list
        rows = [
            {"id": _id(one.id, one.title), "title": str(one.title), "description": fields.optional(one.description)}
            for one in shown.options
        ]
        return "list", {
            "body": fields.lines(body.message),
            "button": str(shown.button_label),
            "header": fields.optional(shown.title),
            "sections": [{"rows": rows}],
        }


class ReplyButtonBody(AboutBody, frozen=True, kw_only=True):
    response_button_id: fields.Words


class ReplyButton(Send):
    """Press a button of a message that was received."""

    path: ClassVar[str] = "/reply-button"
    body: ClassVar[Any] = ReplyButtonBody
    needs: ClassVar[tuple[str, ...]] = ("button_reply",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "responseButtonId": "1", "messageId": examples.RECEIVED}, answer=examples.SENT
    )

    async def content(self, call: Call, body: ReplyButtonBody) -> tuple[str, Any]:
        """The button pressed."""
        return await _reply(call, body.message_id, str(body.response_button_id), template=False)


class ReplyTemplateButtonBody(AboutBody, frozen=True, kw_only=True):
    response_template_button_id: fields.Words


class ReplyTemplateButton(Send):
    """Press a reply button of a template that was received."""

    path: ClassVar[str] = "/reply-template-button"
    body: ClassVar[Any] = ReplyTemplateButtonBody
    needs: ClassVar[tuple[str, ...]] = ("button_reply",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "responseTemplateButtonId": "1", "messageId": examples.RECEIVED},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: ReplyTemplateButtonBody) -> tuple[str, Any]:
        """The button pressed."""
        return await _reply(call, body.message_id, str(body.response_template_button_id), template=True)


async def _reply(call: Call, message_id: str, button: str, *, template: bool) -> tuple[str, Any]:
    """The button pressed, shown by its title where the message that it stands in tells that."""
    found = await known(call, message_id)
    content = found["content"]
    buttons = content.get("buttons") if isinstance(content, dict) else None
    titles = [one.get("title") for one in buttons or () if one.get("id") == button]
    title = titles[0] or None if titles else None
    return "button_reply", {"message_id": str(found["id"]), "id": button, "title": title, "template": template}


def _id(given: fields.Text | None, title: fields.Words) -> str:
    """The id of what can be chosen: the one given, which may be the number 0, else its title."""
    return str(title if given in (None, "") else given)


def _picture(address: str | None) -> str | None:
    """What is shown with a text, as `fields.media` takes addresses: clients name files as people do."""
    return address.strip().replace(" ", "%20") or None if address else None


def _pressed(action: Action, path: str) -> Json:
    """A button. Raises `ZapiError` for one without what it is to open or call."""
    title = str(action.label)
    match action.type:
        case "URL":
            if not action.url:
                raise ZapiError(f"{path}.url: is required for a button of type URL")
            return {"title": title, "url": action.url}
        case "CALL":
            if not action.phone:
                raise ZapiError(f"{path}.phone: is required for a button of type CALL")
            return {"title": title, "phone": str(action.phone)}
        case _:
            return {"title": title, "id": _id(action.id, title)}


# --- newsletters ----------------------------------------------------------------------------------------


class AdminInvite(Body, frozen=True, kw_only=True):
    newsletter_id: str
    caption: fields.Words


class AdminInviteBody(SendBody, frozen=True, kw_only=True):
    admin_invite_message: AdminInvite


class SendNewsletterAdminInvite(Send):
    """Invite somebody to be an admin of a newsletter."""

    path: ClassVar[str] = "/send-newsletter-admin-invite"
    body: ClassVar[Any] = AdminInviteBody
    needs: ClassVar[tuple[str, ...]] = ("channel_invite",)
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "adminInviteMessage": {
                "newsletterId": examples.NEWSLETTER,
                "caption": "Quero convidar você para ser admin do meu canal no WhatsApp.",
            },
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: AdminInviteBody) -> tuple[str, Any]:
        """The invitation."""
        invite = body.admin_invite_message
        channel = fields.channel(invite.newsletter_id, field="newsletterId")
        return "channel_invite", {"channel": channel, "caption": fields.lines(invite.caption)}


ROUTES: tuple[Route, ...] = (
    SendButtonList(),
    SendButtonActions(),
    SendButtonOtp(),
    SendButtonPix(),
    SendCarousel(),
    SendOptionList(),
    ReplyButton(),
    ReplyTemplateButton(),
    SendNewsletterAdminInvite(),
)
