//! One write: drawn first, then carried out on a connection or in a transaction.

use rest_live::{LiveEntity, db::LiveDatabase};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Unchanged, Condition, DbErr, EntityTrait, IntoActiveModel,
    ModelTrait, NotSet, QueryFilter, Set, entity::prelude::ColumnTrait,
};

use super::{
    card::{ActiveModel, Column, Entity},
    dice::{Dice, KEYS},
    table::{CHOSEN, counted},
};
use crate::support::Engine;

/// How SeaORM is asked. Those that end in `Unhooked` run no hooks: they are exact where the database returns rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Insert,
    InsertUnhooked,
    InsertManyUnhooked,
    LiveInsertMany,
    /// By `save`, without a key.
    InsertNew,
    Update,
    UpdateUnhooked,
    UpdateManyUnhooked,
    LiveUpdateMany,
    /// By `save`, of a row that was read.
    Save,
    Move,
    UpdateAndMove,
    LiveMoveMany,
    /// Through a row that was read.
    Delete,
    DeleteByKey,
    DeleteByKeyUnhooked,
    DeleteManyUnhooked,
    LiveDeleteMany,
}

/// Out of how many writes each is how often.
#[rustfmt::skip]
pub const WEIGHTS: &[(Kind, u32)] = &[
    (Kind::Insert, 14), (Kind::InsertUnhooked, 3), (Kind::InsertManyUnhooked, 2), (Kind::LiveInsertMany, 3),
    (Kind::InsertNew, 2), (Kind::Update, 18), (Kind::UpdateUnhooked, 3), (Kind::UpdateManyUnhooked, 4),
    (Kind::LiveUpdateMany, 3), (Kind::Save, 6), (Kind::Move, 12), (Kind::UpdateAndMove, 8), (Kind::LiveMoveMany, 3),
    (Kind::Delete, 5), (Kind::DeleteByKey, 6), (Kind::DeleteByKeyUnhooked, 3), (Kind::DeleteManyUnhooked, 1),
    (Kind::LiveDeleteMany, 2),
];

impl Kind {
    /// Returns whether subscribers are told each row, and not to fetch again.
    pub fn is_exact_on(self, engine: Engine) -> bool {
        match self {
            Self::InsertUnhooked
            | Self::InsertManyUnhooked
            | Self::UpdateUnhooked
            | Self::UpdateManyUnhooked
            | Self::DeleteByKeyUnhooked
            | Self::DeleteManyUnhooked => engine != Engine::MariaDb,
            _ => true,
        }
    }
}

/// What is written.
#[derive(Clone, Debug)]
pub struct Write {
    engine: Engine,
    pub kind: Kind,
    id: i32,
    /// Where an inserted or moved row is to be.
    list_id: i32,
    text: String,
    /// Whether a bulk write is of a list, and not of some keys.
    is_of_list: bool,
    /// Whether all that it writes has the text, also where it would be left alone.
    is_doomed: bool,
}

impl Write {
    /// Draws a write. What is doomed will be rolled back, and its text says so.
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

    /// Has it be one statement, and no savepoint, on each database.
    pub fn into_plain_update(mut self) -> Self {
        self.kind = Kind::Update;
        self
    }

    /// Has it write another row than this one, which a bulk write might not.
    pub fn beside(mut self, other: &Self) -> Self {
        if self.id == other.id {
            self.id = self.id % KEYS + 1;
        }
        let is_of_one = !matches!(
            self.kind,
            Kind::InsertManyUnhooked
                | Kind::LiveInsertMany
                | Kind::UpdateManyUnhooked
                | Kind::LiveUpdateMany
                | Kind::LiveMoveMany
                | Kind::DeleteManyUnhooked
                | Kind::LiveDeleteMany
        );
        if !is_of_one {
            self.kind = Kind::UpdateAndMove;
        }
        self
    }

    /// Writes.
    ///
    /// # Errors
    /// The database's.
    pub async fn carry_out(&self, db: &impl LiveDatabase) -> Result<(), DbErr> {
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
            Kind::UpdateManyUnhooked => {
                let update = Entity::update_many().set(self.change_of_many());
                update.filter(self.some()).exec(db).await.map(drop)
            }
            Kind::LiveUpdateMany | Kind::LiveMoveMany => {
                let update = Entity::live_update_many().set(self.change_of_many());
                update.filter(self.some()).exec(db).await.map(drop)
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
                let delete = Entity::delete_many().filter(self.few());
                delete.exec(db).await.map(drop)
            }
            Kind::LiveDeleteMany => {
                let delete = Entity::live_delete_many().filter(self.few());
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

    /// Returns a card, and one with the key behind it.
    fn cards(&self) -> [ActiveModel; 2] {
        [self.card(self.id), self.card(self.id % KEYS + 1)]
    }

    fn change(&self) -> ActiveModel {
        ActiveModel {
            id: Unchanged(self.id),
            ..self.change_of_many()
        }
    }

    fn change_of_many(&self) -> ActiveModel {
        let moves = matches!(
            self.kind,
            Kind::Move | Kind::UpdateAndMove | Kind::LiveMoveMany
        );
        let tells = self.is_doomed || self.kind != Kind::Move;
        ActiveModel {
            list_id: if moves { Set(self.list_id) } else { NotSet },
            text: if tells {
                Set(self.text.clone())
            } else {
                NotSet
            },
            version: counted(self.engine),
            ..Default::default()
        }
    }

    /// Returns the condition of a bulk update: a list, or some keys.
    fn some(&self) -> Condition {
        if self.is_of_list {
            // Not the one that rows are moved to.
            return Condition::all().add(Column::ListId.eq(self.id % 5 + 1));
        }
        Condition::all().add(Column::Id.between(self.id, self.id + 3))
    }

    /// Returns the condition of a bulk delete: what nobody chose the keys of, in a list, or some keys.
    fn few(&self) -> Condition {
        if self.is_of_list {
            let is_new = Column::Id.gt(CHOSEN);
            return Condition::all()
                .add(is_new)
                .add(Column::ListId.eq(self.list_id));
        }
        Condition::all().add(Column::Id.between(self.id, self.id + 2))
    }
}
