//! The table of the cards, and the SQL that counts inserts and updates in each database.

use sea_orm::{ActiveValue, ConnectionTrait, DatabaseConnection, NotSet, Schema, Set};

use super::card::{self, BY_DATABASE};
use crate::support::Engine;

/// Maximum key that a writer chooses. The keys that the database generates are larger.
pub const MAX_CHOSEN_KEY: i32 = 1_000_000;

/// On SQLite, `RETURNING` does not return what a trigger changed. So the statements set the numbers
/// themselves, each in one expression. This keeps the order, because a statement that writes
/// excludes all others from its beginning.
const SQLITE: &[&str] = &[
    "CREATE TABLE births (n integer NOT NULL)",
    "INSERT INTO births VALUES (0)",
    "CREATE TRIGGER card_is_born AFTER INSERT ON card BEGIN UPDATE births SET n = n + 1; END",
    "INSERT INTO sqlite_sequence VALUES ('card', 1000000)",
];

/// An insert locks the number of its key until the transaction ends, so that the next insert waits;
/// with a sequence it would not wait. The trigger of an update runs while its row is locked.
const POSTGRES: &[&str] = &[
    "CREATE TABLE births (id integer PRIMARY KEY, n bigint NOT NULL)",
    "CREATE FUNCTION count_card() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF TG_OP = 'UPDATE' THEN
         NEW.version := OLD.version + 1;
       ELSE
         INSERT INTO births AS b VALUES (NEW.id, 1)
           ON CONFLICT (id) DO UPDATE SET n = b.n + 1 RETURNING b.n INTO NEW.born;
       END IF;
       RETURN NEW;
     END $$",
    "CREATE TRIGGER count_card BEFORE INSERT OR UPDATE ON card FOR EACH ROW EXECUTE FUNCTION count_card()",
    "SELECT setval(pg_get_serial_sequence('card', 'id'), 1000000)",
    // The default is one second, which is too long with a hundred deadlocks.
    "ALTER SYSTEM SET deadlock_timeout = '20ms'",
    "SELECT pg_reload_conf()",
];

/// As on PostgreSQL. A key that the database generates is still 0 in the trigger; it is inserted
/// only once. An update that sets equal values keeps the version: otherwise InnoDB would not skip
/// it.
const MARIADB: &[&str] = &[
    "CREATE TABLE births (id integer PRIMARY KEY, n bigint NOT NULL)",
    "CREATE TRIGGER card_is_born BEFORE INSERT ON card FOR EACH ROW
     IF NEW.id > 0 THEN
       INSERT INTO births VALUES (NEW.id, 1) ON DUPLICATE KEY UPDATE n = n + 1;
       SET NEW.born = (SELECT n FROM births WHERE id = NEW.id);
     END IF",
    "CREATE TRIGGER card_changes BEFORE UPDATE ON card FOR EACH ROW
     IF NEW.list_id <> OLD.list_id OR NEW.text <> OLD.text THEN
       SET NEW.version = OLD.version + 1;
     END IF",
    "ALTER TABLE card AUTO_INCREMENT = 1000001",
];

/// Creates the table, and what counts for it.
pub async fn create(db: &DatabaseConnection, engine: Engine) {
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(card::Entity))
        .await
        .unwrap();
    let statements = match engine {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
        Engine::MariaDb => MARIADB,
    };
    for statement in statements {
        db.execute_unprepared(statement).await.unwrap();
    }
}

/// Returns the value that a model sets for a number that the database counts.
pub fn counted(engine: Engine) -> ActiveValue<i64> {
    match engine {
        Engine::Sqlite => Set(BY_DATABASE),
        Engine::Postgres | Engine::MariaDb => NotSet,
    }
}
