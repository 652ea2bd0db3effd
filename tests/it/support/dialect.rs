//! The dialects of the protocol, and the requests that the test helpers send in each of them.

/// A dialect: a format of requests and frames.
#[derive(Clone, Copy, PartialEq)]
pub enum Dialect {
    Plain,
    V1,
    V0_7,
}

impl Dialect {
    /// Returns a subscription to list -1, which holds only sentinels.
    pub(super) fn subscribe_to_sentinel(self) -> &'static str {
        match self {
            Self::Plain => r#"{"model":"todolist.Task","list_id":-1}"#,
            Self::V1 => r#"{"id":"sentinel","model":"todolist.Task","group":{"list_id":-1}}"#,
            Self::V0_7 => {
                r#"{"type":"subscribe","id":"sentinel","action":"list","view_kwargs":{"list_id":-1},"model":"todolist.Task"}"#
            }
        }
    }

    pub(super) fn unsubscribe_from_sentinel(self) -> &'static str {
        match self {
            Self::Plain => r#"{"model":"todolist.Task","list_id":-1,"unsubscribe":true}"#,
            Self::V1 | Self::V0_7 => r#"{"type":"unsubscribe","id":"sentinel"}"#,
        }
    }
}
