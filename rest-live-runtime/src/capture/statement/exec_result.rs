//! The answer to a statement that was called for its effect and run for its rows.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, MockDatabase, MockExecResult};

/// Returns the result of a statement. SeaORM's own has no constructor but in its mock of a database, which is
/// asked one question here.
pub(crate) async fn executed(
    backend: DbBackend,
    rows_affected: u64,
    last_insert_id: u64,
) -> Result<ExecResult, DbErr> {
    let result = MockExecResult {
        last_insert_id,
        rows_affected,
    };
    let mock = MockDatabase::new(backend).append_exec_results([result]);
    mock.into_connection().execute_unprepared("").await
}
