//! Who may see which list, in memory: `check_permission` is called for each change and subscriber,
//! and cannot query the database. The tables hold the truth; this is a copy of them.
//!
//! What holds, and why:
//! * **Viewers never receive a task that was written while they could not see its list.** Each
//!   request keeps the guard of [`hold`](Access::hold) from its first query to its commit. One that
//!   changes access keeps the guard of [`change`](Access::change) from before its commit until the
//!   copy has the change. So no task is read or written between the commit of a change and the
//!   update of the copy.
//! * **The copy is never behind the tables.** Only [`AccessChange`] changes it, and a request that
//!   holds one runs to its end even if the client disconnects (`api::uninterrupted`).
//! * **When a removal is answered, it is complete.** After the copy is updated, `Live::reauthorize`
//!   queries the tables (`permissions::may_see_list`) and ends the subscriptions. rest-live also
//!   asks again about a subscription that is being granted at that moment.
//!
//! What does not hold: rest-live dispatches a change shortly after its commit, and checks the
//! permissions at that time. A viewer who is removed in between misses the change, as they should.
//! A viewer who is added in between, and had subscribed to the task by its key, receives the last
//! change from before.

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

/// Who may see a list.
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

    /// Waits until no request changes access, and makes those that would wait.
    pub async fn hold(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.gate).read_owned().await
    }

    /// Waits until all other requests are done, and makes new ones wait.
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

/// A change of access, during which no other request reads or writes.
///
/// Deleting a list changes nothing here: its last messages are still on their way to its audience,
/// and its id is not used again.
pub struct AccessChange {
    access: Arc<Access>,
    _gate: OwnedRwLockWriteGuard<()>,
}

impl AccessChange {
    /// Adds a new list. Call it *before* the commit, so that the founder receives the list. If the
    /// commit fails, the id may be used again, hence the audience replaces an older one.
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
