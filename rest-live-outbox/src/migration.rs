//! Migrations for the application's own `Migrator`.
//!
//! [`Outbox`] creates the tables; [`OutboxUnits`] updates those of an earlier version. [`Capture`]
//! adds triggers to one table. The triggers write the events of this table, no matter which program
//! changes it.
//!
//! ```no_run
//! use rest_live_outbox::migration::{Capture, Outbox};
//! use sea_orm_migration::{MigrationTrait, MigratorTrait};
//! # mod task {
//! #     use sea_orm::entity::prelude::*;
//! #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
//! #     #[sea_orm(table_name = "task")]
//! #     pub struct Model {
//! #         #[sea_orm(primary_key)]
//! #         pub id: i32,
//! #         pub token: String,
//! #     }
//! #     #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
//! #     pub enum Relation {}
//! #     impl ActiveModelBehavior for ActiveModel {}
//! # }
//!
//! struct Migrator;
//!
//! impl MigratorTrait for Migrator {
//!     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
//!         vec![
//!             // After the application's own migrations:
//!             Box::new(Outbox),
//!             Box::new(
//!                 Capture::of::<task::Entity>("todolist.Task").without([task::Column::Token]),
//!             ),
//!         ]
//!     }
//! }
//! ```

mod capture;
mod function;
mod outbox;
mod row_expression;
mod sql;
mod units;

pub use self::{capture::Capture, outbox::Outbox, units::OutboxUnits};
