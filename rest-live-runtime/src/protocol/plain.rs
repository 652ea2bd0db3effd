//! The plain dialect, that of django-rest-live's first release.
//!
//! Requests have neither `id` nor `type`. Broadcasts have exactly three keys. The only other frames
//! are errors: successful requests are not acknowledged.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, value::RawValue};

use super::{
    broadcast::{Broadcast, GroupName, encode},
    code::ErrorCode,
    dialect::Dialect,
    frame::Frame,
    object::{self, Object},
    parse,
    refusal::{REVOKED_TEXT, Refusal, quoted},
    request::{GroupSelector, Request, Target},
};

/// Maximum length of the names and the value of a group that an error repeats, in bytes.
const MAX_NAMED_BYTES: usize = 2048;

/// Parses a request.
pub(crate) fn request(object: Object<'_>) -> Result<Request, Refusal> {
    let entries = Entries::take(object)?;
    let target = Target {
        model: entries.model,
        group: GroupSelector::Key(entries.key, object::value(entries.value)?),
    };
    Ok(if entries.unsubscribe {
        Request::UnsubscribeFrom(target)
    } else {
        Request::Subscribe {
            target,
            since: None,
            must_exist: false,
        }
    })
}

/// What a request consists of.
struct Entries<'t> {
    model: String,
    unsubscribe: bool,
    /// The key of the group.
    key: String,
    value: &'t RawValue,
}

impl<'t> Entries<'t> {
    fn take(mut object: Object<'t>) -> Result<Self, Refusal> {
        let model = object.take_string("model", "todolist.Task")?;
        let unsubscribe = match object.take("unsubscribe")? {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => return Err(Refusal::shape("`unsubscribe` must be true, or be left out")),
        };
        let (key, value) = only_entry(object)?;
        Ok(Self {
            model,
            unsubscribe,
            key,
            value,
        })
    }

    /// Returns the group that a message names. `None` if the message is not a request of this
    /// dialect, or if an error should not repeat so much.
    fn named_in(text: &'t str) -> Option<Self> {
        let object = Object::parse(text).ok()?;
        if parse::shape(&object) != Dialect::Plain {
            return None;
        }
        let entries = Self::take(object).ok()?;
        object::value(entries.value).ok()?;
        let length = entries.model.len() + entries.key.len() + entries.value.get().len();
        (length <= MAX_NAMED_BYTES).then_some(entries)
    }
}

fn only_entry(object: Object<'_>) -> Result<(String, &RawValue), Refusal> {
    let mut entries = object.into_entries();
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry),
        (None, _) => Err(Refusal::shape("a key is missing: `pk` or a group key")),
        (Some((first, _)), Some((second, _))) => Err(Refusal::shape(format!(
            "subscribe by one key, not by both {} and {}",
            quoted(&first),
            quoted(&second)
        ))),
    }
}

/// Encodes a change for its subscribers.
pub(crate) fn broadcast(broadcast: &Broadcast<'_>) -> String {
    #[derive(Serialize)]
    struct Encoded<'a> {
        model: &'a str,
        payload: &'a RawValue,
        action: &'static str,
    }
    encode(&Encoded {
        model: broadcast.model,
        payload: broadcast.payload,
        action: broadcast.action.as_str(),
    })
}

#[derive(Serialize)]
struct Error<'a, G> {
    r#type: &'static str,
    code: u16,
    error: &'static str,
    message: &'a str,
    retry: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<G>,
}

impl<'a, G: Serialize> Error<'a, G> {
    fn new(code: ErrorCode, message: &'a str) -> Self {
        let (code, error, retry) = code.fields();
        Self {
            r#type: "error",
            code,
            error,
            message,
            retry,
            model: None,
            group: None,
        }
    }

    fn frame(&self) -> Frame {
        Frame::answer(&encode(self))
    }
}

/// Encodes the answer to a refused message. It repeats the group of the request as the client wrote
/// it, because requests of this dialect have no id.
pub(crate) fn error(refusal: &Refusal, message: &str) -> Frame {
    let named = Entries::named_in(message);
    let mut error = Error::new(refusal.code, &refusal.message);
    error.model = named.as_ref().map(|entries| &*entries.model);
    error.group = named.as_ref().map(|entries| Written {
        key: &entries.key,
        value: entries.value,
    });
    error.frame()
}

/// A group as a client wrote it, as an object of one key.
struct Written<'a> {
    key: &'a str,
    value: &'a RawValue,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.key, self.value)?;
        map.end()
    }
}

/// Encodes a reset. The 0.7 dialect uses the same frame, because it has none of its own.
pub(crate) fn reset(model: &str) -> Frame {
    let message = "changes were missed: fetch this model again; the subscriptions continue";
    let mut error = Error::<GroupName<'_>>::new(ErrorCode::Reset, message);
    error.model = Some(model);
    error.frame()
}

/// Encodes the message that the server has ended a subscription. It names the group, because
/// nothing else in this dialect identifies the subscription.
pub(crate) fn revoked(code: ErrorCode, model: &str, group: GroupName<'_>) -> Frame {
    let mut error = Error::new(code, REVOKED_TEXT);
    error.model = Some(model);
    error.group = Some(group);
    error.frame()
}
