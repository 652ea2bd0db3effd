//! The plain dialect, that of django-rest-live's first release.
//!
//! Requests have neither `id` nor `type`. Broadcasts have exactly three keys. The only other frames
//! are errors: successful requests are not acknowledged.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};

use super::{
    broadcast::{Broadcast, GroupName, encode},
    code::ErrorCode,
    dialect::Dialect,
    frame::Frame,
    object::{self, Object},
    parse,
    refusal::{REVOKED_TEXT, Refusal, quoted},
    request::{GroupSelector, Request, RequestedKey, Target},
};

/// Maximum length of the names and the value of a group that an error repeats, in bytes.
const MAX_NAMED_BYTES: usize = 2048;

/// Parses a request.
pub(crate) fn request(object: Object<'_>) -> Result<Request, Refusal> {
    let entries = Entries::take(object)?;
    let mut keys = Vec::with_capacity(entries.keys.len());
    let is_single = entries.keys.len() == 1;
    for (key, value) in entries.keys {
        match object::value(value) {
            Err(malformed) if is_single => return Err(malformed),
            // Whether the model has a group of so many keys is asked first.
            value => keys.push((key, value)),
        }
    }
    let target = Target {
        model: entries.model,
        group: GroupSelector::Keys(keys),
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
    /// The keys of the group, in the order of their names.
    keys: Vec<(String, &'t RawValue)>,
}

/// Returns the order in which an error names the keys of a request: those of a model, whose number
/// is not one. Keys that it lacks come last. `None` if the model has no such groups, so that the
/// message is no request.
pub(crate) type OrderOfKeys<'a> = &'a dyn Fn(&str, &[&str]) -> Option<Arc<[&'static str]>>;

impl<'t> Entries<'t> {
    fn take(mut object: Object<'t>) -> Result<Self, Refusal> {
        let model = object.take_string("model", "todolist.Task")?;
        let unsubscribe = match object.take("unsubscribe")? {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => return Err(Refusal::shape("`unsubscribe` must be true, or be left out")),
        };
        Ok(Self {
            model,
            unsubscribe,
            keys: object.into_entries().collect(),
        })
    }

    /// Returns the group that a message names. `None` if the message is not a request of this
    /// dialect, or if an error should not repeat so much.
    fn named_in(text: &'t str, order: OrderOfKeys<'_>) -> Option<Self> {
        let object = Object::parse(text).ok()?;
        if parse::shape(&object) != Dialect::Plain {
            return None;
        }
        let mut entries = Self::take(object).ok()?;
        let keys = entries.keys.iter();
        let length: usize = keys.map(|(key, value)| key.len() + value.get().len()).sum();
        if entries.model.len() + length > MAX_NAMED_BYTES {
            return None;
        }
        if entries.keys.len() != 1 {
            let names: Vec<_> = entries.keys.iter().map(|(key, _)| &**key).collect();
            let order = order(&entries.model, &names)?;
            let place = |key: &str| order.iter().position(|name| *name == key);
            entries
                .keys
                .sort_by_key(|(key, _)| place(key).unwrap_or(order.len()));
        }
        let mut keys = entries.keys.iter();
        keys.all(|(_, value)| object::value(value).is_ok())
            .then_some(entries)
    }
}

/// Creates the refusal of a request that has no key, or several, if the model has no such group.
pub(super) fn not_one_key(keys: &[RequestedKey]) -> Refusal {
    match keys {
        [(first, _), (second, _), ..] => Refusal::shape(format!(
            "subscribe by one key, not by both {} and {}",
            quoted(first),
            quoted(second)
        )),
        _ => Refusal::shape("a key is missing: `pk` or a group key"),
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
pub(crate) fn error(refusal: &Refusal, message: &str, order: OrderOfKeys<'_>) -> Frame {
    let named = Entries::named_in(message, order);
    let mut error = Error::new(refusal.code, &refusal.message);
    error.model = named.as_ref().map(|entries| &*entries.model);
    error.group = named.as_ref().map(|entries| Written(&entries.keys));
    error.frame()
}

/// A group as a client wrote it, as an object of its keys.
struct Written<'a>(&'a [(String, &'a RawValue)]);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
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
