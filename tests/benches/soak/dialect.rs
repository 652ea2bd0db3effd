//! The same requests in each dialect.

pub const MODEL: &str = "soak.Task";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Plain,
    V1,
    V0_7,
}

impl Dialect {
    pub const ALL: [Self; 3] = [Self::Plain, Self::V1, Self::V0_7];

    /// Returns the subscription to a list. Its id, where there is one, is the list's.
    pub fn subscribe(self, list: i32) -> String {
        match self {
            Self::Plain => format!(r#"{{"model":"{MODEL}","list_id":{list}}}"#),
            Self::V1 => {
                format!(r#"{{"id":{list},"model":"{MODEL}","group":{{"list_id":{list}}}}}"#)
            }
            Self::V0_7 => format!(
                r#"{{"type":"subscribe","id":{list},"action":"list","view_kwargs":{{"list_id":{list}}},"model":"{MODEL}"}}"#
            ),
        }
    }

    /// Returns the subscription to a row.
    pub fn follow(self, pk: i32) -> String {
        match self {
            Self::Plain => format!(r#"{{"model":"{MODEL}","pk":{pk}}}"#),
            Self::V1 => format!(r#"{{"id":"row {pk}","model":"{MODEL}","group":{{"pk":{pk}}}}}"#),
            Self::V0_7 => format!(
                r#"{{"type":"subscribe","id":"row {pk}","action":"retrieve","lookup_by":{pk},"model":"{MODEL}"}}"#
            ),
        }
    }

    /// Returns the end of the subscription to a list.
    pub fn unsubscribe(self, list: i32) -> String {
        match self {
            Self::Plain => format!(r#"{{"model":"{MODEL}","list_id":{list},"unsubscribe":true}}"#),
            Self::V1 | Self::V0_7 => format!(r#"{{"type":"unsubscribe","id":{list}}}"#),
        }
    }
}
