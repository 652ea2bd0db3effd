//! The user of a request or of a websocket: anonymous, or signed in.

use std::sync::Arc;

use crate::{access::Access, session::Session};

#[derive(Clone)]
pub struct Viewer {
    session: Option<Arc<Session>>,
    access: Arc<Access>,
}

impl Viewer {
    pub fn new(session: Option<Arc<Session>>, access: Arc<Access>) -> Self {
        Self { session, access }
    }

    /// Returns `None` for an anonymous viewer.
    pub fn name(&self) -> Option<&str> {
        self.session.as_ref().and_then(|session| session.name())
    }

    pub fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    pub fn may_see(&self, list: i32) -> bool {
        self.access.is_public(list) || self.is_member(list)
    }

    pub fn is_member(&self, list: i32) -> bool {
        self.name()
            .is_some_and(|name| self.access.is_member(name, list))
    }

    /// Returns whether this is a connection of the session, which may have ended.
    pub fn is_of(&self, session: &Arc<Session>) -> bool {
        let own = self.session.as_ref();
        own.is_some_and(|own| Arc::ptr_eq(own, session))
    }
}

/// NEW: two viewers are equal if they are of one session. If a page sends a new token of its
/// session, all that it shows stays.
impl PartialEq for Viewer {
    fn eq(&self, other: &Self) -> bool {
        match (&self.session, &other.session) {
            (Some(session), Some(other)) => Arc::ptr_eq(session, other),
            (None, None) => true,
            _ => false,
        }
    }
}
