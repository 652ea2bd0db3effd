//! Encodes what a client receives about its requests, in its dialect.

use super::{
    broadcast::GroupName,
    code::{ErrorCode, ResetReason},
    dialect::Dialect,
    frame::Frame,
    id::Id,
    plain::{self, OrderOfKeys},
    refusal::{REVOKED_TEXT, Refusal},
    request::RequestedKey,
    v0_7, v1,
};
use crate::data::cursor::Cursor;

impl Dialect {
    /// Encodes the answer to a refused request. `message` is the text of the request.
    pub(crate) fn error(
        self,
        refusal: &Refusal,
        id: Option<&Id>,
        message: &str,
        order: OrderOfKeys<'_>,
    ) -> Frame {
        match self {
            Self::Plain => plain::error(refusal, message, order),
            Self::V1 => v1::error(refusal, id),
            Self::V0_7 => v0_7::error(refusal, id),
        }
    }

    /// Creates the refusal of a request that has no key, or several, if the model has no such
    /// group.
    pub(crate) fn not_one_key(self, keys: &[RequestedKey]) -> Refusal {
        match self {
            Self::Plain => plain::not_one_key(keys),
            Self::V1 | Self::V0_7 => v1::not_one_key(),
        }
    }

    /// Encodes the answer to a granted subscription, if the dialect has one.
    pub(crate) fn subscribed(
        self,
        id: Option<&Id>,
        model: &str,
        group: GroupName<'_>,
        cursor: &Cursor,
        recovered: bool,
    ) -> Option<Frame> {
        match (self, id) {
            (Self::V1, Some(id)) => Some(v1::subscribed(id, model, group, cursor, recovered)),
            _ => None,
        }
    }

    /// Encodes the answer to an unsubscribe request, if the dialect has one.
    pub(crate) fn unsubscribed(self, id: Option<&Id>) -> Option<Frame> {
        match (self, id) {
            (Self::V1, Some(id)) => Some(v1::unsubscribed(id)),
            _ => None,
        }
    }

    /// Encodes the message that the server has ended a subscription.
    pub(crate) fn revoked(
        self,
        id: Option<&Id>,
        code: ErrorCode,
        model: &str,
        group: GroupName<'_>,
    ) -> Frame {
        match (self, id) {
            (Self::V1, Some(id)) => v1::revoked(id, code),
            (Self::V0_7, _) => {
                let refusal = Refusal::new(code, REVOKED_TEXT);
                v0_7::error(&refusal, id)
            }
            _ => plain::revoked(code, model, group),
        }
    }

    /// Encodes the message that the client's rows of a model may be out of date.
    pub(crate) fn reset(
        self,
        id: Option<&Id>,
        model: &str,
        reason: ResetReason,
        cursor: &Cursor,
    ) -> Frame {
        match (self, id) {
            (Self::V1, Some(id)) => v1::reset(id, reason, cursor),
            _ => plain::reset(model),
        }
    }
}
