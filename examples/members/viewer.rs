//! Who asks, over REST or over the websocket: anonymous, or signed in.

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

    /// `None` is anonymous.
    pub fn name(&self) -> Option<&str> {
        self.session.as_ref().and_then(|session| session.name())
    }

    pub fn may_see(&self, list: i32) -> bool {
        self.access.is_public(list) || self.is_member(list)
    }

    pub fn is_member(&self, list: i32) -> bool {
        let is_member = |name| self.access.is_member(name, list);
        self.name().is_some_and(is_member)
    }

    /// Whether this is one of the connections of a session, which may be over.
    pub fn is_of(&self, session: &Arc<Session>) -> bool {
        let own = self.session.as_ref();
        own.is_some_and(|own| Arc::ptr_eq(own, session))
    }
}
