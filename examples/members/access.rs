//! Who may see which list, in memory: a permission is asked for every change and every subscriber,
//! and cannot query. The tables are the truth, this is their copy.
//!
//! What holds, and why:
//! * **Nobody sees a task that was written when they might not see its list.** Every request holds
//!   [`steady`](Access::steady) from its first look at the database to its commit, and who changes
//!   rights holds [`change`](Access::change) from before the commit until the copy has it. So no task
//!   is written, and none is read, between a commit of rights and the copy of it.
//! * **The copy is never left behind.** It is changed only through [`Changing`], and what holds one
//!   runs to its end even if its request is given up (`api::whole`).
//! * **The answer to a removal comes when it is done.** After the copy comes `Live::reauthorize`, which
//!   asks the tables (`permissions::may_see_list`) and ends the subscriptions. A subscription that is
//!   just being granted is asked about again by the library.
//!
//! What does not: a change is dispatched a moment after its commit, and judged by the rights of that
//! moment. Who is removed in between misses it, as is right. Who is let in in between, and followed
//! the task by its key without seeing it, gets the last change from before.

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

    /// Waits until nobody changes rights, and keeps it so.
    pub async fn steady(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.gate).read_owned().await
    }

    /// Waits until every other request is done, and keeps new ones waiting.
    pub async fn change(self: Arc<Self>) -> Changing {
        Changing {
            _alone: Arc::clone(&self.gate).write_owned().await,
            access: self,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<i32, Audience>> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change of rights, while nobody else reads or writes anything.
///
/// There is nothing to do when a list is deleted: its last frames are on their way to its audience, and
/// its id never comes again.
pub struct Changing {
    access: Arc<Access>,
    _alone: OwnedRwLockWriteGuard<()>,
}

impl Changing {
    /// A new list: said *before* the commit, so that its founder hears of it, and no harm if there is
    /// none. The same id may come again then, hence a new audience.
    pub fn found(&self, list: i32, public: bool, founder: &str) {
        let members = HashSet::from([founder.to_owned()]);
        self.write(|lists| _ = lists.insert(list, Audience { public, members }));
    }

    pub fn publish(&self, list: i32, public: bool) {
        self.write(|lists| lists.entry(list).or_default().public = public);
    }

    pub fn admit(&self, list: i32, name: &str) {
        self.write(|lists| {
            let audience = lists.entry(list).or_default();
            audience.members.insert(name.to_owned());
        });
    }

    pub fn dismiss(&self, list: i32, name: &str) {
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
