//! The groups of a shard: who subscribes to each, and which frames each still has to send.

pub(crate) mod audience;
pub(crate) mod broadcast_frame;
pub(crate) mod frame_log;
pub(crate) mod group;
pub(crate) mod subscriber;

use std::{
    collections::HashMap,
    ops::{Index, IndexMut},
    sync::Arc,
};

use slab::Slab;

use self::{
    audience::{Audience, Viewer},
    group::Group,
    subscriber::Subscriber,
};
use super::{context::HubContext, ids::SubscriberKey};
use crate::data::group_id::GroupId;

/// The groups of a shard that have a subscriber.
#[derive(Debug)]
pub(crate) struct Groups {
    context: Arc<HubContext>,
    groups: Slab<Group>,
    by_id: HashMap<Arc<GroupId>, usize>,
}

impl Groups {
    pub(crate) fn new(context: Arc<HubContext>) -> Self {
        Self {
            context,
            groups: Slab::new(),
            by_id: HashMap::new(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Group)> {
        self.groups.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.groups.iter_mut().map(|(_, group)| group)
    }

    /// Returns the index of a group that has a subscriber.
    pub(crate) fn find(&self, id: &GroupId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn subscriber(&self, key: SubscriberKey) -> &Subscriber {
        &self[key.group()].subscribers[key.subscriber()]
    }

    pub(crate) fn subscriber_mut(&mut self, key: SubscriberKey) -> &mut Subscriber {
        &mut self[key.group()].subscribers[key.subscriber()]
    }

    /// Adds a subscriber to a group, which `create` makes if it has none yet.
    pub(crate) fn insert(
        &mut self,
        id: &GroupId,
        create: impl FnOnce() -> Group,
        subscriber: Subscriber,
    ) -> SubscriberKey {
        let group = self.find(id).unwrap_or_else(|| {
            let group = create();
            let id = Arc::clone(&group.id);
            let index = self.groups.insert(group);
            self.by_id.insert(id, index);
            self.context.group_opened();
            index
        });
        SubscriberKey::new(group, self[group].insert(subscriber))
    }

    /// Removes a subscriber from its group, and the group if it was the last.
    pub(crate) fn remove(&mut self, key: SubscriberKey) {
        let group = &mut self[key.group()];
        group.remove(key.subscriber());
        if group.subscribers.is_empty() {
            let group = self.groups.remove(key.group());
            self.by_id.remove(&group.id);
            self.context.group_closed();
        }
    }

    /// Drops the frames that are queued for these subscribers.
    pub(crate) fn drop_queued(&mut self, subscribers: impl IntoIterator<Item = SubscriberKey>) {
        for key in subscribers {
            self[key.group()].drop_queued(key.subscriber());
        }
    }

    /// Returns which subscribers of a group a change must be encoded for. `same_for_all` is whether
    /// all of them see the same; otherwise `listens` is asked about the client of each.
    pub(crate) fn audience(
        &self,
        id: &GroupId,
        same_for_all: bool,
        listens: impl Fn(usize) -> bool,
    ) -> Audience {
        let Some(group) = self.find(id) else {
            return Audience::Empty;
        };
        let group = &self[group];
        if same_for_all {
            return Audience::All(group.spoken());
        }
        let mut viewers = Vec::with_capacity(group.subscribers.len());
        let mut subscribers = group.subscribers.iter();
        loop {
            let chunk: Vec<_> = subscribers.by_ref().take(PREFETCH).collect();
            if chunk.is_empty() {
                return Audience::Each(viewers);
            }
            std::hint::black_box(chunk.iter().map(|(_, s)| s.user.prefetch()).sum::<usize>());
            let listening = chunk.into_iter().filter(|(_, s)| listens(s.client));
            viewers.extend(listening.map(|(index, s)| Viewer::new(index, s)));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.groups.len(), self.by_id.len())
    }
}

/// Number of users whose memory is read before the first is copied. Users are scattered over the
/// memory: the processor then fetches them in parallel, not one after the other.
const PREFETCH: usize = 32;

impl Index<usize> for Groups {
    type Output = Group;

    fn index(&self, index: usize) -> &Group {
        &self.groups[index]
    }
}

impl IndexMut<usize> for Groups {
    fn index_mut(&mut self, index: usize) -> &mut Group {
        &mut self.groups[index]
    }
}
