//! A copy in memory of the tables that determine which viewers may see a list. rest-live calls
//! `check_permission` for each change and subscriber, and `check_permission` cannot query the
//! database. If the two differ, the tables are right.
//!
//! What this example guarantees, and why:
//! * **Viewers never receive a task that was written while they could not see its list.** Each
//!   request keeps the guard of [`hold`](Access::hold) from its first query to its commit. A
//!   request that changes access instead keeps the guard of [`change`](Access::change), from before
//!   its commit until the copy has the change. So no task is read or written between the commit of
//!   a change and the update of the copy.
//! * **The copy has every committed change.** Only [`AccessChange`] changes the copy. A request
//!   that has an `AccessChange` runs to its end even if the client disconnects
//!   (`api::uninterrupted`).
//! * **When the server responds to a removal, the removal is complete.** After the copy is updated,
//!   `Live::reauthorize` calls `permissions::may_see_list`, which queries the tables, and ends the
//!   subscriptions that it denies. If a subscription is being granted at that moment, rest-live
//!   calls the function again for it.
//!
//! This does not hold: rest-live dispatches a change shortly after its commit, and checks the
//! permissions at that time. A viewer who is removed between the two does not receive the change,
//! as it should be. But a viewer who is added between the two, and is subscribed to the task by its
//! key, receives a change from before they were added.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use sea_orm::{DatabaseConnection, DbErr, EntityTrait};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};

use crate::{list, membership};

#[derive(Default)]
pub struct Access {
    lists: RwLock<HashMap<i32, Audience>>,
    gate: Arc<tokio::sync::RwLock<()>>,
}

/// The users who may see a list.
#[derive(Default)]
struct Audience {
    public: bool,
    members: HashSet<String>,
}

impl Access {
    /// Copies the tables.
    pub async fn load(db: &DatabaseConnection) -> Result<Self, DbErr> {
        let mut lists: HashMap<_, Audience> = HashMap::new();
        for list in list::Entity::find().all(db).await? {
            lists.entry(list.id).or_default().public = list.public;
        }
        for membership in membership::Entity::find().all(db).await? {
            let audience = lists.entry(membership.list_id).or_default();
            audience.members.insert(membership.name);
        }
        Ok(Self {
            lists: RwLock::new(lists),
            gate: Arc::default(),
        })
    }

    pub fn is_public(&self, list: i32) -> bool {
        self.read().get(&list).is_some_and(|list| list.public)
    }

    pub fn is_member(&self, name: &str, list: i32) -> bool {
        let lists = self.read();
        lists
            .get(&list)
            .is_some_and(|list| list.members.contains(name))
    }

    /// Waits until no request changes access. While the guard exists, requests that change access
    /// wait.
    pub async fn hold(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.gate).read_owned().await
    }

    /// Waits until all other requests have ended. While the result exists, new requests wait.
    pub async fn change(self: Arc<Self>) -> AccessChange {
        AccessChange {
            _gate: Arc::clone(&self.gate).write_owned().await,
            access: self,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<i32, Audience>> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to change access. While it exists, no other request reads or writes.
///
/// Deleting a list changes nothing here: its last messages are still on their way to its audience,
/// and its id is not used again.
pub struct AccessChange {
    access: Arc<Access>,
    _gate: OwnedRwLockWriteGuard<()>,
}

impl AccessChange {
    /// Adds a new list. Call it *before* the commit, so that the founder receives the list. If the
    /// commit fails, another list may get the same id: then its audience replaces this one.
    pub fn add_list(&self, list: i32, public: bool, founder: &str) {
        let members = HashSet::from([founder.to_owned()]);
        self.write(|lists| _ = lists.insert(list, Audience { public, members }));
    }

    pub fn set_public(&self, list: i32, public: bool) {
        self.write(|lists| lists.entry(list).or_default().public = public);
    }

    pub fn add_member(&self, list: i32, name: &str) {
        self.write(|lists| {
            let audience = lists.entry(list).or_default();
            audience.members.insert(name.to_owned());
        });
    }

    pub fn remove_member(&self, list: i32, name: &str) {
        self.write(|lists| {
            if let Some(audience) = lists.get_mut(&list) {
                audience.members.remove(name);
            }
        });
    }

    fn write(&self, change: impl FnOnce(&mut HashMap<i32, Audience>)) {
        let lists = self.access.lists.write();
        change(&mut lists.unwrap_or_else(PoisonError::into_inner));
    }
}
