//! One client: what it says, what it is subscribed to, what waits for it.
//!
//! A session knows no socket and no web framework. A connection feeds it the client's messages
//! ([`Session::receive`]) and sends what it yields ([`Session::outgoing`]).

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::{
    code::{CloseCode, ErrorCode},
    dialect::{Refusal, Request, Verb, plain, quoted},
    frame::Frame,
    group::GroupKey,
    hub::{Hub, SessionId, TooMany},
    limits::Limits,
    log::EventLog,
    outbox::{Outbox, Taken},
    registry::Registry,
};

/// What the sessions of one `Live` have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) limits: Limits,
}

/// What a connection has to do next for its session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outgoing {
    /// Send these, oldest first.
    Frames(Vec<Frame>),
    /// Send a close frame and end. Nothing follows.
    Close(CloseCode),
}

/// One client connection. Its subscriptions end when it is dropped.
pub struct Session {
    shared: Arc<Shared>,
    id: SessionId,
    outbox: Arc<Outbox>,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let outbox = Arc::new(Outbox::new(&shared.limits));
        let id = shared.hub.join(Arc::clone(&outbox));
        Self { shared, id, outbox }
    }

    /// Returns the limits that hold for this session.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Takes in one text message of the client. The answer, if there is one, is among what
    /// [`outgoing`](Self::outgoing) yields.
    ///
    /// # Cancel safety
    /// A message whose future is dropped may not have been taken in.
    pub async fn receive(&self, text: &str) {
        if let Err(refusal) = self.handle(text).await {
            self.outbox.push(plain::error(&refusal));
        }
    }

    /// Waits for what to send next. One caller at a time.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost when the future is dropped.
    pub async fn outgoing(&self) -> Outgoing {
        match self.outbox.next().await {
            Taken::Close(code) => Outgoing::Close(code),
            Taken::Frames { mut frames, reset } => {
                if reset {
                    frames.extend(self.resets());
                }
                Outgoing::Frames(frames)
            }
        }
    }

    /// Returns one reset for each model that the session is subscribed to.
    fn resets(&self) -> impl Iterator<Item = Frame> {
        let groups = self.shared.hub.groups_of(self.id);
        let labels: BTreeSet<_> = groups
            .iter()
            .filter_map(|group| self.shared.registry.of_group(group.index))
            .map(|model| &*model.label)
            .collect();
        labels.into_iter().map(plain::reset)
    }

    async fn handle(&self, text: &str) -> Result<(), Refusal> {
        let request = plain::parse(text)?;
        let group = self.group(&request)?;
        match request.verb {
            Verb::Subscribe => self.subscribe(group).await,
            Verb::Unsubscribe => {
                self.shared.hub.unsubscribe(self.id, &group);
                Ok(())
            }
        }
    }

    /// Finds the group that a request names.
    fn group(&self, request: &Request) -> Result<GroupKey, Refusal> {
        let model = self
            .shared
            .registry
            .labelled(&request.model)
            .ok_or_else(|| {
                Refusal::new(
                    ErrorCode::UnknownModel,
                    format!(
                        "there is no model {}, but {}",
                        quoted(&request.model),
                        self.shared.registry.labels()
                    ),
                )
            })?;
        let group = model.group(&request.group_key).ok_or_else(|| {
            let (key, label, keys) = (quoted(&request.group_key), &model.label, model.key_names());
            Refusal::new(
                ErrorCode::UnknownGroupKey,
                format!("{label} is not subscribable by {key}, but by {keys}"),
            )
        })?;
        let value = group.kind.read(&request.value).map_err(|expected| {
            Refusal::new(
                ErrorCode::BadValue,
                format!(
                    "{}`{}` of {} must be {expected}",
                    if request.value.is_null() {
                        "null is in no group: "
                    } else {
                        ""
                    },
                    group.key,
                    model.label
                ),
            )
        })?;
        Ok(group.at(value))
    }

    async fn subscribe(&self, group: GroupKey) -> Result<(), Refusal> {
        let head = self.shared.log.head().await.map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a subscription is refused"
            );
            Refusal::new(
                ErrorCode::Unavailable,
                "subscriptions cannot be taken right now",
            )
        })?;
        let most = self.shared.limits.subscriptions;
        self.shared
            .hub
            .subscribe(self.id, group, head.position, most)
            .map_err(|TooMany| {
                Refusal::new(
                    ErrorCode::TooManySubscriptions,
                    format!("a connection has at most {most} subscriptions"),
                )
            })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.hub.leave(self.id);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.id).finish()
    }
}
