//! A write: it is drawn at random, then executed on a connection or in a transaction.

use rest_live::{LiveEntity, db::LiveDatabase};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Unchanged, Condition, DbErr, EntityTrait, IntoActiveModel,
    ModelTrait, NotSet, QueryFilter, Set, entity::prelude::ColumnTrait,
};

use super::{
    card::{ActiveModel, Column, Entity},
    dice::{Dice, KEYS},
    table::{MAX_CHOSEN_KEY, counted},
};
use crate::support::Engine;

/// How the write is made with SeaORM. Kinds that end in `Unhooked` run no hooks: they are exact if
/// the database returns rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Insert,
    InsertUnhooked,
    InsertManyUnhooked,
    LiveInsertMany,
    /// With `save`, without a key.
    InsertNew,
    Update,
    UpdateUnhooked,
    UpdateManyUnhooked,
    LiveUpdateMany,
    /// With `save`, of a row that was read.
    Save,
    Move,
    UpdateAndMove,
    MoveManyUnhooked,
    LiveMoveMany,
    /// Of a row that was read.
    Delete,
    DeleteByKey,
    DeleteByKeyUnhooked,
    DeleteManyUnhooked,
    LiveDeleteMany,
}

/// The relative frequency of each kind.
#[rustfmt::skip]
pub const WEIGHTS: &[(Kind, u32)] = &[
    (Kind::Insert, 14), (Kind::InsertUnhooked, 3), (Kind::InsertManyUnhooked, 2), (Kind::LiveInsertMany, 3),
    (Kind::InsertNew, 2), (Kind::Update, 18), (Kind::UpdateUnhooked, 3), (Kind::UpdateManyUnhooked, 4),
    (Kind::LiveUpdateMany, 3), (Kind::Save, 6), (Kind::Move, 12), (Kind::UpdateAndMove, 8), (Kind::LiveMoveMany, 3),
    (Kind::MoveManyUnhooked, 3),
    (Kind::Delete, 5), (Kind::DeleteByKey, 6), (Kind::DeleteByKeyUnhooked, 3), (Kind::DeleteManyUnhooked, 1),
    (Kind::LiveDeleteMany, 2),
];

impl Kind {
    /// Returns whether subscribers receive each row, and not a reset.
    pub fn is_exact_on(self, engine: Engine) -> bool {
        match self {
            Self::InsertUnhooked
            | Self::InsertManyUnhooked
            | Self::UpdateUnhooked
            | Self::UpdateManyUnhooked
            | Self::DeleteByKeyUnhooked
            | Self::DeleteManyUnhooked => engine != Engine::MariaDb,
            // On PostgreSQL, a row that begins to match after the old rows are read is a reset.
            Self::MoveManyUnhooked => engine == Engine::Sqlite,
            _ => true,
        }
    }
}

/// A write that was drawn.
#[derive(Clone, Debug)]
pub struct Write {
    engine: Engine,
    pub kind: Kind,
    id: i32,
    /// The list of an inserted or moved row.
    list_id: i32,
    text: String,
    /// Whether a bulk write selects a list, and not a range of keys.
    is_of_list: bool,
    /// Whether it will be rolled back. Then it always sets the text, even if its kind would not.
    is_doomed: bool,
}

impl Write {
    /// Draws a write. A doomed write will be rolled back, and its text marks it as a phantom.
    pub fn draw(dice: &mut Dice, is_doomed: bool) -> Self {
        Self {
            engine: dice.engine,
            kind: dice.kind(),
            id: dice.id(),
            list_id: dice.list_id(),
            text: dice.text(is_doomed),
            is_of_list: dice.one_in(3),
            is_doomed,
        }
    }

    /// Turns it into a write that is one statement, without a savepoint, on each database.
    pub fn into_plain_update(mut self) -> Self {
        self.kind = Kind::Update;
        self
    }

    /// Turns it into a write of one row, and not of the row that `other` writes.
    pub fn of_another_row(mut self, other: &Self) -> Self {
        if self.id == other.id {
            self.id = self.id % KEYS + 1;
        }
        let is_bulk = matches!(
            self.kind,
            Kind::InsertManyUnhooked
                | Kind::LiveInsertMany
                | Kind::UpdateManyUnhooked
                | Kind::LiveUpdateMany
                | Kind::MoveManyUnhooked
                | Kind::LiveMoveMany
                | Kind::DeleteManyUnhooked
                | Kind::LiveDeleteMany
        );
        if is_bulk {
            self.kind = Kind::UpdateAndMove;
        }
        self
    }

    /// Executes the write.
    ///
    /// # Errors
    /// Returns the error of the database.
    pub async fn execute(&self, db: &impl LiveDatabase) -> Result<(), DbErr> {
        match self.kind {
            Kind::Insert => self.card(self.id).insert(db).await.map(drop),
            Kind::InsertUnhooked => Entity::insert(self.card(self.id)).exec(db).await.map(drop),
            Kind::InsertManyUnhooked => Entity::insert_many(self.cards()).exec(db).await.map(drop),
            Kind::LiveInsertMany => Entity::live_insert_many(self.cards())
                .exec(db)
                .await
                .map(drop),
            Kind::InsertNew => {
                let mut card = self.card(0);
                card.id = NotSet;
                card.save(db).await.map(drop)
            }
            Kind::Update | Kind::Move | Kind::UpdateAndMove => {
                self.change().update(db).await.map(drop)
            }
            Kind::UpdateUnhooked => Entity::update(self.change()).exec(db).await.map(drop),
            Kind::Save => {
                let Some(card) = Entity::find_by_id(self.id).one(db).await? else {
                    return Ok(());
                };
                let mut card = card.into_active_model();
                card.text = Set(self.text.clone());
                card.version = counted(self.engine);
                card.save(db).await.map(drop)
            }
            Kind::UpdateManyUnhooked | Kind::MoveManyUnhooked => {
                let update = Entity::update_many().set(self.bulk_change());
                update
                    .filter(self.update_condition())
                    .exec(db)
                    .await
                    .map(drop)
            }
            Kind::LiveUpdateMany | Kind::LiveMoveMany => {
                let update = Entity::live_update_many().set(self.bulk_change());
                update
                    .filter(self.update_condition())
                    .exec(db)
                    .await
                    .map(drop)
            }
            Kind::Delete => match Entity::find_by_id(self.id).one(db).await? {
                Some(card) => card.delete(db).await.map(drop),
                None => Ok(()),
            },
            Kind::DeleteByKey => {
                let card = ActiveModel {
                    id: Set(self.id),
                    ..Default::default()
                };
                card.delete(db).await.map(drop)
            }
            Kind::DeleteByKeyUnhooked => Entity::delete_by_id(self.id).exec(db).await.map(drop),
            Kind::DeleteManyUnhooked => {
                let delete = Entity::delete_many().filter(self.delete_condition());
                delete.exec(db).await.map(drop)
            }
            Kind::LiveDeleteMany => {
                let delete = Entity::live_delete_many().filter(self.delete_condition());
                delete.exec(db).await.map(drop)
            }
        }
    }

    fn card(&self, id: i32) -> ActiveModel {
        ActiveModel {
            id: Set(id),
            list_id: Set(self.list_id),
            text: Set(self.text.clone()),
            born: counted(self.engine),
            version: NotSet,
        }
    }

    /// Returns a card, and one with the next key.
    fn cards(&self) -> [ActiveModel; 2] {
        [self.card(self.id), self.card(self.id % KEYS + 1)]
    }

    fn change(&self) -> ActiveModel {
        ActiveModel {
            id: Unchanged(self.id),
            ..self.bulk_change()
        }
    }

    fn bulk_change(&self) -> ActiveModel {
        let sets_list = matches!(
            self.kind,
            Kind::Move | Kind::UpdateAndMove | Kind::MoveManyUnhooked | Kind::LiveMoveMany
        );
        let sets_text = self.is_doomed || self.kind != Kind::Move;
        ActiveModel {
            list_id: if sets_list { Set(self.list_id) } else { NotSet },
            text: if sets_text {
                Set(self.text.clone())
            } else {
                NotSet
            },
            version: counted(self.engine),
            ..Default::default()
        }
    }

    /// Returns the condition of a bulk update: a list, or a range of keys.
    fn update_condition(&self) -> Condition {
        if self.is_of_list {
            // Not the list that rows are moved to.
            return Condition::all().add(Column::ListId.eq(self.id % 5 + 1));
        }
        Condition::all().add(Column::Id.between(self.id, self.id + 3))
    }

    /// Returns the condition of a bulk delete: rows of a list whose keys the database generated, or
    /// a range of keys.
    fn delete_condition(&self) -> Condition {
        if self.is_of_list {
            let is_generated = Column::Id.gt(MAX_CHOSEN_KEY);
            return Condition::all()
                .add(is_generated)
                .add(Column::ListId.eq(self.list_id));
        }
        Condition::all().add(Column::Id.between(self.id, self.id + 2))
    }
}
