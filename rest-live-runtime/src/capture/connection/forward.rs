//! The part of SeaORM's connection traits that a live connection and a live transaction have in
//! common: every statement goes through [`Call`](crate::capture::statement::Call), which knows what it writes.

/// Implements `ConnectionTrait`, `StreamTrait` and the beginning of transactions for a type with
/// the fields `inner` and `scope`.
macro_rules! delegate {
    ($live:ty, $inner:ty) => {
        #[::async_trait::async_trait]
        impl ::sea_orm::ConnectionTrait for $live {
            fn get_database_backend(&self) -> ::sea_orm::DbBackend {
                $crate::capture::hooks::probe::answer(&self.scope);
                ::sea_orm::ConnectionTrait::get_database_backend(&self.inner)
            }

            async fn execute<S: ::sea_orm::StatementBuilder>(
                &self,
                statement: &S,
            ) -> Result<::sea_orm::ExecResult, ::sea_orm::DbErr> {
                let statement = self.scope.build(statement);
                let answer = self.run_built(statement, $crate::capture::statement::How::Execute);
                answer.await?.executed()
            }

            async fn execute_raw(
                &self,
                statement: ::sea_orm::Statement,
            ) -> Result<::sea_orm::ExecResult, ::sea_orm::DbErr> {
                let answer = self.run_text(statement, $crate::capture::statement::How::Execute);
                answer.await?.executed()
            }

            async fn execute_unprepared(
                &self,
                sql: &str,
            ) -> Result<::sea_orm::ExecResult, ::sea_orm::DbErr> {
                let backend = self.scope.database.backend;
                let statement = ::sea_orm::Statement::from_string(backend, sql);
                let answer = self.run_text(statement, $crate::capture::statement::How::Unprepared);
                answer.await?.executed()
            }

            async fn query_one<S: ::sea_orm::StatementBuilder>(
                &self,
                statement: &S,
            ) -> Result<Option<::sea_orm::QueryResult>, ::sea_orm::DbErr> {
                let statement = self.scope.build(statement);
                let answer = self.run_built(statement, $crate::capture::statement::How::QueryOne);
                answer.await?.one()
            }

            async fn query_one_raw(
                &self,
                statement: ::sea_orm::Statement,
            ) -> Result<Option<::sea_orm::QueryResult>, ::sea_orm::DbErr> {
                let answer = self.run_text(statement, $crate::capture::statement::How::QueryOne);
                answer.await?.one()
            }

            async fn query_all<S: ::sea_orm::StatementBuilder>(
                &self,
                statement: &S,
            ) -> Result<Vec<::sea_orm::QueryResult>, ::sea_orm::DbErr> {
                let statement = self.scope.build(statement);
                let answer = self.run_built(statement, $crate::capture::statement::How::QueryAll);
                answer.await?.all()
            }

            async fn query_all_raw(
                &self,
                statement: ::sea_orm::Statement,
            ) -> Result<Vec<::sea_orm::QueryResult>, ::sea_orm::DbErr> {
                let answer = self.run_text(statement, $crate::capture::statement::How::QueryAll);
                answer.await?.all()
            }

            fn support_returning(&self) -> bool {
                $crate::capture::hooks::probe::asked_for_rows();
                self.inner.support_returning()
            }

            fn is_mock_connection(&self) -> bool {
                self.inner.is_mock_connection()
            }
        }

        impl ::sea_orm::StreamTrait for $live {
            type Stream<'a> =
                $crate::capture::LiveStream<<$inner as ::sea_orm::StreamTrait>::Stream<'a>>;

            fn get_database_backend(&self) -> ::sea_orm::DbBackend {
                ::sea_orm::ConnectionTrait::get_database_backend(&self.inner)
            }

            fn stream_raw<'a>(
                &'a self,
                statement: ::sea_orm::Statement,
            ) -> ::std::pin::Pin<
                Box<
                    dyn ::std::future::Future<Output = Result<Self::Stream<'a>, ::sea_orm::DbErr>>
                        + Send
                        + 'a,
                >,
            > {
                let reset =
                    $crate::capture::connection::stream::ResetAtEnd::of(&self.scope, &statement);
                Box::pin(async move {
                    let stream = self.inner.stream_raw(statement).await?;
                    Ok($crate::capture::LiveStream::new(stream, reset))
                })
            }
        }

        #[::async_trait::async_trait]
        impl ::sea_orm::TransactionTrait for $live {
            type Transaction = $crate::capture::LiveTransaction;

            async fn begin(&self) -> Result<Self::Transaction, ::sea_orm::DbErr> {
                self.start(::sea_orm::TransactionOptions::default()).await
            }

            async fn begin_with_config(
                &self,
                isolation_level: Option<::sea_orm::IsolationLevel>,
                access_mode: Option<::sea_orm::AccessMode>,
            ) -> Result<Self::Transaction, ::sea_orm::DbErr> {
                let options = ::sea_orm::TransactionOptions {
                    isolation_level,
                    access_mode,
                    ..Default::default()
                };
                self.start(options).await
            }

            async fn begin_with_options(
                &self,
                options: ::sea_orm::TransactionOptions,
            ) -> Result<Self::Transaction, ::sea_orm::DbErr> {
                self.start(options).await
            }

            async fn transaction<F, T, E>(
                &self,
                callback: F,
            ) -> Result<T, ::sea_orm::TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c Self::Transaction,
                    ) -> ::std::pin::Pin<
                        Box<dyn ::std::future::Future<Output = Result<T, E>> + Send + 'c>,
                    > + Send,
                T: Send,
                E: ::std::fmt::Display + ::std::fmt::Debug + Send,
            {
                self.begin().await?.run(callback).await
            }

            async fn transaction_with_config<F, T, E>(
                &self,
                callback: F,
                isolation_level: Option<::sea_orm::IsolationLevel>,
                access_mode: Option<::sea_orm::AccessMode>,
            ) -> Result<T, ::sea_orm::TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c Self::Transaction,
                    ) -> ::std::pin::Pin<
                        Box<dyn ::std::future::Future<Output = Result<T, E>> + Send + 'c>,
                    > + Send,
                T: Send,
                E: ::std::fmt::Display + ::std::fmt::Debug + Send,
            {
                self.begin_with_config(isolation_level, access_mode)
                    .await?
                    .run(callback)
                    .await
            }
        }

        impl $live {
            /// Runs a statement that SeaQuery built.
            async fn run_built(
                &self,
                statement: ::sea_orm::Statement,
                how: $crate::capture::statement::How,
            ) -> Result<$crate::capture::statement::Answer, ::sea_orm::DbErr> {
                let call = $crate::capture::statement::Call::new(statement, how);
                let database = &self.scope.database;
                database.prepare(&self.inner, &call.statement.sql).await;
                let plan = $crate::capture::statement::plan::of_built(&self.scope, &call);
                self.run_call(call, plan).await
            }

            /// Runs what anybody may have written.
            async fn run_text(
                &self,
                statement: ::sea_orm::Statement,
                how: $crate::capture::statement::How,
            ) -> Result<$crate::capture::statement::Answer, ::sea_orm::DbErr> {
                let plan = $crate::capture::statement::plan::of_text(&self.scope, &statement.sql);
                let call = $crate::capture::statement::Call::new(statement, how);
                self.run_call(call, plan).await
            }

            /// Runs a closure in a transaction: commits when it returns `Ok`, rolls back otherwise.
            /// The twin of SeaORM's inherent method, for `async` closures.
            ///
            /// # Errors
            /// The closure's error, or that of beginning, committing or rolling back.
            pub async fn transaction_async<F, T, E>(
                &self,
                callback: F,
            ) -> Result<T, ::sea_orm::TransactionError<E>>
            where
                F: for<'c> AsyncFnOnce(&'c $crate::capture::LiveTransaction) -> Result<T, E> + Send,
                T: Send,
                E: ::std::fmt::Display + ::std::fmt::Debug + Send,
            {
                let transaction = ::sea_orm::TransactionTrait::begin(self).await?;
                let result = callback(&transaction).await;
                transaction.finish(result).await
            }

            /// Returns SeaORM's own: for what asks for that very type, such as a migration. What is
            /// written through it is not captured.
            pub fn inner(&self) -> &$inner {
                &self.inner
            }
        }
    };
}

pub(crate) use delegate;
