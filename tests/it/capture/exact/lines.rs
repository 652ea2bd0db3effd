//! What is told of each kind of write, and what it costs.

use crate::support::Engine;

pub struct Line {
    pub name: &'static str,
    told: Told,
    /// Statements beyond SeaORM's own, of our own builders all: on SQLite, PostgreSQL, MariaDB.
    extra: [usize; 3],
}

#[derive(Clone, Copy)]
pub enum Told {
    Nothing,
    Exactly(&'static [&'static str]),
    /// Exactly where the database returns rows; elsewhere the model is reset.
    Returned(&'static [&'static str], &'static str),
    /// Exactly where the database returns rows; elsewhere SeaORM refuses.
    OnlyReturned(&'static [&'static str]),
    Reset(&'static str),
}

impl Line {
    pub fn told(&self, engine: Engine) -> Vec<String> {
        match (self.told, engine) {
            (Told::Returned(_, model), Engine::MariaDb) => Told::Reset(model).frames(),
            (Told::OnlyReturned(_), Engine::MariaDb) => Told::Nothing.frames(),
            (told, _) => told.frames(),
        }
    }

    pub fn extra(&self, engine: Engine) -> usize {
        let place = Engine::ALL.iter().position(|e| *e == engine).unwrap();
        self.extra[place]
    }
}

impl Told {
    pub fn frames(self) -> Vec<String> {
        let mut frames: Vec<String> = match self {
            Self::Nothing => Vec::new(),
            Self::Exactly(frames) | Self::Returned(frames, _) | Self::OnlyReturned(frames) => {
                frames.iter().map(ToString::to_string).collect()
            }
            Self::Reset(model) => vec![format!("reset {model}")],
        };
        frames.sort();
        frames
    }
}

const fn line(name: &'static str, told: Told, extra: [usize; 3]) -> Line {
    Line { name, told, extra }
}

const TASK: &str = "todolist.Task";
const PARCEL: &str = "it.Parcel";
const NONE: [usize; 3] = [0, 0, 0];
/// The old row is read first.
const OLD: [usize; 3] = [1, 1, 1];
/// The old row is read first where the statement does not return it.
const OLD_IF_NOT_RETURNED: [usize; 3] = [0, 0, 1];

const CREATED: Told = Told::Exactly(&["list 1 CREATED four", "task 4 CREATED four"]);
const CREATED_IF_RETURNED: Told =
    Told::Returned(&["list 1 CREATED four", "task 4 CREATED four"], TASK);
const TWO_CREATED: &[&str] = &[
    "list 1 CREATED four",
    "task 4 CREATED four",
    "list 2 CREATED five",
];
const UPDATED: Told = Told::Exactly(&["list 1 UPDATED one!", "task 1 UPDATED one!"]);
const UPDATED_IF_RETURNED: Told =
    Told::Returned(&["list 1 UPDATED one!", "task 1 UPDATED one!"], TASK);
const TWO_UPDATED: &[&str] = &["list 1 UPDATED !", "task 1 UPDATED !", "list 1 UPDATED !"];
const MOVED: Told = Told::Exactly(&[
    "list 1 DELETED one",
    "list 2 CREATED one",
    "task 1 UPDATED one",
]);
const DELETED: Told = Told::Exactly(&["list 1 DELETED one", "task 1 DELETED one"]);
const TWO_DELETED: &[&str] = &[
    "list 1 DELETED one",
    "task 1 DELETED one",
    "list 1 DELETED two",
];

#[rustfmt::skip]
pub const WRITES: &[Line] = &[
    line("insert", CREATED, NONE),
    line("insert in no list of ours", Told::Exactly(&["task 4 CREATED four"]), NONE),
    line("save a new one", Told::Exactly(&["list 1 CREATED saved"]), NONE),
    line("save a changed one", UPDATED, NONE),
    line("update", UPDATED, NONE),
    line("update of nothing", Told::Nothing, NONE),
    line("update of no row", Told::Nothing, NONE),
    line("update to another list", MOVED, OLD),
    line("update to the same list", UPDATED, OLD),
    line("update_without_returning", UPDATED, [0, 0, 1]),
    line("update_without_returning to another list", MOVED, [1, 1, 2]),
    line("update_without_returning of no row", Told::Nothing, NONE),
    line("delete a model", DELETED, OLD_IF_NOT_RETURNED),
    line("delete a model that has moved since", DELETED, OLD_IF_NOT_RETURNED),
    line("delete by its key", DELETED, OLD_IF_NOT_RETURNED),
    line("delete of no row", Told::Nothing, OLD_IF_NOT_RETURNED),

    line("Entity::insert exec", CREATED_IF_RETURNED, NONE),
    line("Entity::insert exec_with_returning", CREATED_IF_RETURNED, NONE),
    line("Entity::insert exec_without_returning", CREATED_IF_RETURNED, NONE),
    line("insert_many exec", Told::Returned(TWO_CREATED, TASK), NONE),
    line("insert_many exec_with_returning", Told::OnlyReturned(TWO_CREATED), NONE),
    line("insert_many exec_with_returning_keys", Told::OnlyReturned(TWO_CREATED), NONE),
    line("insert_many exec_without_returning", Told::Returned(TWO_CREATED, TASK), NONE),
    line("Entity::insert that conflicts", Told::Nothing, NONE),
    line("Entity::update exec", UPDATED_IF_RETURNED, NONE),
    line("Entity::update exec_without_returning", UPDATED_IF_RETURNED, NONE),
    line("Entity::update to another list", Told::Reset(TASK), NONE),
    line("update_many exec", Told::Returned(TWO_UPDATED, TASK), NONE),
    line("update_many exec_with_returning", Told::OnlyReturned(TWO_UPDATED), NONE),
    line("update_many of no row", Told::Nothing, NONE),
    line("update_many to another list", Told::Reset(TASK), NONE),
    line("Entity::delete exec", DELETED, NONE),
    line("delete_by_id exec", DELETED, NONE),
    line("delete_by_id exec_with_returning", Told::OnlyReturned(&["list 1 DELETED one", "task 1 DELETED one"]), NONE),
    line("delete_by_id of no row", Told::Nothing, NONE),
    line("delete_many exec", Told::Exactly(TWO_DELETED), NONE),
    line("delete_many exec_with_returning", Told::OnlyReturned(TWO_DELETED), NONE),

    line("upsert that inserts", Told::Reset(TASK), NONE),
    line("upsert that updates", Told::Reset(TASK), NONE),
    line("insert or do nothing, of a new one", CREATED_IF_RETURNED, NONE),
    line("raw update", Told::Reset(TASK), NONE),
    line("raw update with values", Told::Reset(TASK), NONE),
    line("raw statements of two tables", Told::Reset(TASK), NONE),
    line("raw update of another table", Told::Nothing, NONE),
    line("raw select", Told::Nothing, NONE),

    line("parcel: insert of a hidden one", Told::Nothing, NONE),
    line("parcel: update", Told::Exactly(&["shelf 1 UPDATED one!", "parcel 1 UPDATED one!"]), OLD),
    line("parcel: update that hides", Told::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one"]), OLD),
    line("parcel: update that shows", Told::Exactly(&["shelf 1 CREATED hidden"]), OLD),
    line("parcel: update_without_returning", Told::Exactly(&["shelf 1 UPDATED one!", "parcel 1 UPDATED one!"]), [1, 1, 2]),
    line("parcel: delete", Told::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one"]), OLD_IF_NOT_RETURNED),
    line("parcel: insert_many", Told::Returned(&["shelf 2 CREATED five"], PARCEL), NONE),
    line("parcel: update_many", Told::Reset(PARCEL), NONE),
    line("parcel: delete_many", Told::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one", "shelf 1 DELETED two"]), NONE),
];

/// The bulk writes of our own.
#[rustfmt::skip]
pub const LIVE: &[Line] = &[
    line("live_insert_many", Told::Exactly(TWO_CREATED), [1, 1, 4]),
    line("live_update_many", Told::Exactly(TWO_UPDATED), [3, 2, 3]),
    line("live_update_many with returning", Told::Exactly(TWO_UPDATED), [3, 2, 3]),
    line("live_update_many to another list", Told::Exactly(&["list 1 DELETED one", "list 1 DELETED two", "list 2 CREATED one", "list 2 CREATED two", "task 1 UPDATED one"]), [3, 2, 3]),
    line("live_update_many of no row", Told::Nothing, [2, 1, 1]),
    line("live_delete_many", Told::Exactly(TWO_DELETED), [1, 1, 2]),
    line("live_delete_many with returning", Told::Exactly(TWO_DELETED), [1, 1, 2]),
    line("parcel: live_update_many that hides", Told::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one", "shelf 1 DELETED two"]), [3, 2, 3]),
    line("parcel: live_update_many that shows", Told::Exactly(&["shelf 2 CREATED hidden", "shelf 1 DELETED one", "shelf 2 CREATED one", "parcel 1 UPDATED one", "shelf 1 DELETED two", "shelf 2 CREATED two"]), [3, 2, 3]),
    line("parcel: live_delete_many", Told::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one", "shelf 1 DELETED two"]), [1, 1, 2]),
    line("parcel: live_insert_many", Told::Exactly(&["shelf 2 CREATED five"]), [1, 1, 4]),
];
