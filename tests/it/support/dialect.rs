//! The same in each dialect.

/// A way of writing requests and frames.
#[derive(Clone, Copy, PartialEq)]
pub enum Dialect {
    Plain,
    V1,
    V0_7,
}

impl Dialect {
    /// A subscription to the list -1, where only sentinels are.
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
