//! The types of SQLite, which stores a value in any column.

use rest_live::log::MemoryLog;
use rest_live_redis::RedisLog;
use sea_orm::{ActiveValue::Set, entity::prelude::*};
use serde::Serialize;

use super::{Table, compare, start};
use crate::support::Engine;

mod sample {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, DeriveEntityModel)]
    #[sea_orm(table_name = "sample")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub version: i32,
        pub flag: bool,
        pub tiny: i8,
        pub big: i64,
        pub unsigned_integer: u32,
        pub real: f32,
        pub double: f64,
        pub text: String,
        /// A number in a column of texts.
        pub number_as_text: String,
        pub bytes: Vec<u8>,
        pub json: Json,
        pub maybe_json: Option<Json>,
        pub uuid: Uuid,
        #[serde(serialize_with = "crate::columns::debug")]
        pub uuid_text: TextUuid,
        pub uuid_simple: uuid::fmt::Simple,
        pub chrono_date: ChronoDate,
        pub chrono_time: ChronoTime,
        pub chrono_date_time: ChronoDateTime,
        pub chrono_utc: ChronoDateTimeUtc,
        pub chrono_zone: ChronoDateTimeWithTimeZone,
        #[serde(serialize_with = "crate::columns::debug")]
        pub chrono_unix: ChronoUnixTimestampMillis,
        pub time_date: TimeDate,
        pub time_time: TimeTime,
        pub time_date_time: TimeDateTime,
        pub time_zone: TimeDateTimeWithTimeZone,
        pub decimal: Decimal,
        #[sea_orm(column_type = "Decimal(None)")]
        pub big_decimal: BigDecimal,
        pub kind: Kind,
        pub level: Level,
        pub maybe_text: Option<String>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Enum", enum_name = "kind")]
    pub enum Kind {
        #[sea_orm(string_value = "one")]
        One,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "i32", db_type = "Integer")]
    pub enum Level {
        #[sea_orm(num_value = -3)]
        Low,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

super::serializer!(SampleSerializer, "it.Sample", sample);

const UUIDS: &[&str] = &["x'67e5504410b1426f9247bb680e5fe0c8'"];

const TABLE: Table = Table {
    definitions: "CREATE TABLE sample (id integer PRIMARY KEY, version integer NOT NULL, flag boolean NOT NULL, \
tiny tinyint NOT NULL, big bigint NOT NULL, unsigned_integer integer NOT NULL, real float NOT NULL, \
double double NOT NULL, text varchar NOT NULL, number_as_text text NOT NULL, bytes blob NOT NULL, \
json json_text NOT NULL, maybe_json json_text, uuid uuid_text NOT NULL, uuid_text text NOT NULL, \
uuid_simple uuid_text NOT NULL, chrono_date date_text NOT NULL, chrono_time time_text NOT NULL, \
chrono_date_time datetime_text NOT NULL, chrono_utc timestamp_with_timezone_text NOT NULL, \
chrono_zone timestamp_with_timezone_text NOT NULL, chrono_unix bigint NOT NULL, time_date date_text NOT NULL, \
time_time time_text NOT NULL, time_date_time datetime_text NOT NULL, time_zone timestamp_with_timezone_text NOT NULL, \
decimal real NOT NULL, big_decimal real NOT NULL, kind text NOT NULL, level integer NOT NULL, \
maybe_text text)",
    columns: &[
        ("flag", &["true", "false"]),
        ("tiny", &["-128"]),
        ("big", &["-9223372036854775808"]),
        ("unsigned_integer", &["4294967295"]),
        ("real", &["0.1", "9e999", "1"]),
        (
            "double",
            &[
                "0.1",
                "0.30000000000000004",
                "-9e999",
                "2.2250738585072011e-308",
            ],
        ),
        ("text", &["'a \"b\" ü 🦀'", "''"]),
        ("number_as_text", &["7", "1.50"]),
        ("bytes", &["x'00ff10'", "x''"]),
        (
            "json",
            &[
                r#"'{"b": 1, "a": [1.10, null, 0.30000000000000004]}'"#,
                "'null'",
                "'[]'",
            ],
        ),
        ("maybe_json", &["NULL", r#"'{"a":0.1234567890123456789}'"#]),
        ("uuid", UUIDS),
        ("uuid_text", &["'67e55044-10b1-426f-9247-bb680e5fe0c8'"]),
        ("uuid_simple", UUIDS),
        ("chrono_date", &["'2024-02-29'"]),
        ("chrono_time", &["'12:30:00'", "'23:59:59.123456789'"]),
        (
            "chrono_date_time",
            &["'2024-05-01 12:00:00'", "'2024-12-31 23:59:59.123456789'"],
        ),
        ("chrono_utc", &["'2024-05-01 12:00:00+02:00'"]),
        (
            "chrono_zone",
            &[
                "'2024-05-01 12:00:00+02:00'",
                "'2024-05-01T12:00:00.123456789-03:30'",
            ],
        ),
        ("chrono_unix", &["1700000000123"]),
        ("time_date", &["'2024-02-29'", "'0001-01-01'"]),
        ("time_time", &["'12:30:00'", "'23:59:59.123456789'"]),
        (
            "time_date_time",
            &["'2024-05-01 12:00:00'", "'2024-12-31 23:59:59.123456789'"],
        ),
        (
            "time_zone",
            &[
                "'2024-05-01 12:00:00+02:00'",
                "'2024-05-01 12:00:00.5-03:30'",
            ],
        ),
        ("decimal", &["1.50", "0.1"]),
        ("big_decimal", &["1.50", "0.1"]),
        ("kind", &["'one'"]),
        ("level", &["-3"]),
        ("maybe_text", &["NULL", "'a'"]),
    ],
};

fn touch(id: i32, version: i32) -> sample::ActiveModel {
    sample::ActiveModel {
        id: Set(id),
        version: Set(version),
        ..Default::default()
    }
}

#[tokio::test]
async fn every_log_carries_every_type() {
    let (db, _database, redis) = start(Engine::Sqlite, &TABLE).await;
    let log = MemoryLog::default();
    compare::<SampleSerializer, _>("memory", &db, log, &TABLE, touch).await;
    let log = RedisLog::connect(&redis.url()).await.unwrap();
    compare::<SampleSerializer, _>("Redis", &db, log, &TABLE, touch).await;
}
