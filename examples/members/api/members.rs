//! `/api/lists/ID/members` and `/api/memberships`: the members of a list, the lists of a person.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, ModelTrait, PaginatorTrait,
    QueryFilter, QueryOrder, sea_query::LockType,
};
use warp::{
    Filter, Reply, delete,
    filters::BoxedFilter,
    get,
    http::StatusCode,
    path, post,
    reply::{Json, json},
};

use super::{
    App, ChangeRequest, Request, change_request, check_name, lists::require_member, request,
    sign_in_first, uninterrupted,
};
use crate::{
    list, membership,
    serializers::MembershipSerializer,
    shared::rest::{ApiError, ApiResult, begin, lock},
};

pub fn routes(app: &App) -> BoxedFilter<(impl Reply + use<>,)> {
    let own = path!("api" / "memberships");
    let members = path!("api" / "lists" / i32 / "members");
    let member = path!("api" / "lists" / i32 / "members" / String);
    let (request, change) = (request(app), change_request(app));
    (own.and(get()).and(request.clone()).then(of_viewer))
        .or(members.and(get()).and(request).then(of_list))
        .or((member.and(post()).and(change.clone()))
            .then(|id, name, change| uninterrupted(add(id, name, change))))
        .or((member.and(delete()).and(change))
            .then(|id, name, change| uninterrupted(remove(id, name, change))))
        .boxed()
}

async fn of_list(list: i32, request: Request) -> ApiResult<impl Reply> {
    require_member(&request.viewer, list)?;
    let members = membership::Entity::find()
        .filter(membership::Column::ListId.eq(list))
        .order_by_asc(membership::Column::Name);
    Ok(show(&members.all(&request.db).await?))
}

async fn of_viewer(request: Request) -> ApiResult<impl Reply> {
    let name = request.viewer.name().ok_or_else(sign_in_first)?;
    let memberships = membership::Entity::find()
        .filter(membership::Column::Name.eq(name))
        .order_by_asc(membership::Column::ListId);
    Ok(show(&memberships.all(&request.db).await?))
}

fn show(memberships: &[membership::Model]) -> Json {
    let memberships = memberships.iter().map(MembershipSerializer::from);
    json(&memberships.collect::<Vec<_>>())
}

async fn add(list: i32, name: String, change: ChangeRequest) -> ApiResult<impl Reply> {
    check_name(&name)?;
    require_member(&change.viewer, list)?;
    let transaction = begin(&change.db).await?;
    lock::<list::Entity>(list, LockType::Share, &transaction).await?;
    let present = membership::Entity::find_by_id((list, name.clone()));
    if present.one(&transaction).await?.is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let membership = membership::ActiveModel {
        list_id: Set(list),
        name: Set(name.clone()),
    };
    membership.insert(&transaction).await?;
    transaction.commit().await?;
    change.access.add_member(list, &name);
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a member, who may be connected. After the response to this request, the member receives
/// no more messages about the list, on any subscription.
async fn remove(list: i32, name: String, change: ChangeRequest) -> ApiResult<impl Reply> {
    require_member(&change.viewer, list)?;
    let membership = membership::Entity::find_by_id((list, name.clone()));
    let membership = membership.one(&change.db).await?.ok_or_else(|| {
        let message = format!("{name} is not a member of list {list}");
        ApiError::new(StatusCode::NOT_FOUND, message)
    })?;
    let members = membership::Entity::find().filter(membership::Column::ListId.eq(list));
    if members.count(&change.db).await? == 1 {
        let message = format!("{name} is the last member: delete the list instead");
        return Err(ApiError::new(StatusCode::CONFLICT, message));
    }
    let transaction = begin(&change.db).await?;
    membership.delete(&transaction).await?;
    transaction.commit().await?;
    let ChangeRequest { app, access, .. } = change;
    access.remove_member(list, &name); // from now on, each `check_permission` returns false
    drop(access);
    // NEW: ends the subscriptions that `authorize` now denies.
    app.live
        .reauthorize(|viewer| viewer.name() == Some(&name))
        .await;
    Ok(StatusCode::NO_CONTENT)
}
