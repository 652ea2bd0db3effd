//! The dialects of the protocol, as a value.
//!
//! The first subscribe request that is granted selects the dialect of its connection, by its shape.

/// A form of requests and frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// The dialect of django-rest-live's first release: neither `id` nor `type`.
    Plain,
    /// rest-live's own dialect: an `id`, and no `action`.
    V1,
    /// The dialect of django-rest-live 0.4 to 0.7: `type` and `action`.
    V0_7,
}

impl Dialect {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::V1, Self::V0_7];
}
