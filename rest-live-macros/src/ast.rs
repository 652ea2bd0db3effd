//! A serializer: the struct with its complete stack of attributes, validated.

mod field;
mod sea_orm_attr;

use proc_macro2::Span;
use quote::ToTokens;
use syn::{
    Data, DeriveInput, Field, Fields, Ident, LitStr, Path, Token, punctuated::Punctuated,
    spanned::Spanned,
};

pub(crate) use self::field::{FieldValue, SerializerField};
use crate::{
    attr::{Attr, GroupKey, SecretColumn},
    crate_path::default_crate,
    text::to_text,
};

/// Everything that the generated code of one serializer depends on.
pub(crate) struct Serializer {
    pub(crate) ident: Ident,
    pub(crate) entity: Path,
    pub(crate) krate: Path,
    pub(crate) model: Option<LitStr>,
    pub(crate) rank: i32,
    pub(crate) check_permission: Option<Path>,
    pub(crate) filter: Option<Path>,
    /// The columns that never leave the process.
    pub(crate) secret: Vec<SecretColumn>,
    /// Whether to generate the model's hooks.
    pub(crate) hooks: bool,
    /// Whether to generate the conversion from the model.
    pub(crate) from_model: bool,
    pub(crate) fields: Vec<SerializerField>,
    pub(crate) groups: Vec<SerializerGroup>,
}

/// One group of the serializer, from one attribute of the stack.
pub(crate) struct SerializerGroup {
    pub(crate) key: SerializerKey,
    pub(crate) authorize: Option<Path>,
    pub(crate) public: bool,
}

/// What selects a group.
pub(crate) enum SerializerKey {
    PrimaryKey,
    /// The columns of a group key; none for the group of all rows.
    Columns(Vec<KeyColumn>),
}

/// One column of a group key.
pub(crate) struct KeyColumn {
    /// The name of its field in the model.
    pub(crate) name: LitStr,
    /// Its variant, if it is given.
    pub(crate) variant: Option<Path>,
}

impl SerializerKey {
    fn new(attr: &Attr) -> Self {
        if attr.all.is_some() {
            return Self::Columns(Vec::new());
        }
        let Some(key) = &attr.group_key else {
            return Self::PrimaryKey;
        };
        let mut variants = attr.column.iter().flat_map(|column| column.variants.iter());
        let column = |name: &LitStr| KeyColumn {
            name: name.clone(),
            variant: variants.next().cloned(),
        };
        Self::Columns(key.names.iter().map(column).collect())
    }
}

impl Serializer {
    /// Validates an item with its attributes and adds every mistake to `errors`. Returns `None` if
    /// the entity is unknown, because no code can be generated without it.
    pub(crate) fn new(
        attrs: Vec<Attr>,
        item: &DeriveInput,
        errors: &mut Vec<syn::Error>,
    ) -> Option<Self> {
        let fields = expect_named_fields(item, errors);
        if !item.generics.params.is_empty() {
            errors.push(syn::Error::new_spanned(
                &item.generics,
                "a serializer cannot have generic parameters, because it is registered as one type: write one struct for each type",
            ));
        }
        let krate =
            agree(&attrs, "crate", |a| a.krate.clone(), errors).unwrap_or_else(default_crate);
        let entity = agree(&attrs, "entity", |a| a.entity.clone(), errors)
            .or_else(|| parse_sea_orm_entity(item, &attrs, errors));
        let from_model =
            agree(&attrs, "from_model", |a| a.from_model.clone(), errors).is_none_or(|f| f.value);
        let model = agree(&attrs, "model", |a| a.model.clone(), errors);
        let rank = agree(&attrs, "rank", |a| a.rank.clone(), errors).map_or(0, |r| r.value);
        let check_permission = agree(
            &attrs,
            "check_permission",
            |a| a.check_permission.clone(),
            errors,
        );
        let filter = agree(&attrs, "filter", |a| a.filter.clone(), errors);
        let secret = agree(&attrs, "secret", |a| a.secret.clone(), errors);
        let hooks = agree(&attrs, "hooks", |a| a.hooks.clone(), errors).is_none_or(|h| h.value);
        check_keys(&attrs, errors);
        let fields = fields
            .filter(|_| from_model)
            .into_iter()
            .flatten()
            .filter_map(|f| SerializerField::new(f, errors))
            .collect();

        Some(Self {
            ident: item.ident.clone(),
            entity: entity?,
            krate,
            model,
            rank,
            check_permission,
            filter,
            secret: secret.map(|secret| secret.columns).unwrap_or_default(),
            hooks,
            from_model,
            fields,
            groups: attrs
                .into_iter()
                .map(|a| SerializerGroup {
                    key: SerializerKey::new(&a),
                    authorize: a.authorize,
                    public: a.public.is_some(),
                })
                .collect(),
        })
    }
}

/// Returns the fields of the struct. Any other item is a mistake.
fn expect_named_fields<'i>(
    item: &'i DeriveInput,
    errors: &mut Vec<syn::Error>,
) -> Option<&'i Punctuated<Field, Token![,]>> {
    let span = match &item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Some(&fields.named),
            Fields::Unnamed(fields) => fields.span(),
            Fields::Unit => item.ident.span(),
        },
        Data::Enum(data) => data.enum_token.span,
        Data::Union(data) => data.union_token.span,
    };
    errors.push(syn::Error::new(
        span,
        format!("a serializer is a struct with named fields, which become the keys of its JSON: write `struct {} {{ id: i32, .. }}`", item.ident),
    ));
    None
}

/// Returns the value of an argument that applies to the whole struct. Any attribute of the stack
/// may give it. Several may if they agree.
fn agree<T: ToTokens>(
    attrs: &[Attr],
    name: &str,
    get: impl Fn(&Attr) -> Option<T>,
    errors: &mut Vec<syn::Error>,
) -> Option<T> {
    let mut given = attrs.iter().filter_map(get);
    let first = given.next()?;
    for other in given {
        if to_text(&other) != to_text(&first) {
            let message = format!(
                "`{name}` applies to the whole struct and is `{}` in another attribute: give it once",
                to_text(&first)
            );
            errors.push(syn::Error::new_spanned(other, message));
        }
    }
    Some(first)
}

/// Reports two attributes for the same group.
fn check_keys(attrs: &[Attr], errors: &mut Vec<syn::Error>) {
    // An attribute whose group is wrong does not stand for the primary key.
    let is_wrong = |attr: &Attr| {
        attr.mistaken
            .iter()
            .any(|m| ["all", "group_key"].contains(m))
    };
    let attrs: Vec<_> = attrs
        .iter()
        .filter(|a| a.group_key.is_some() || a.all.is_some() || !is_wrong(a))
        .collect();
    let set = |attr: &Attr| {
        (
            attr.all.is_some(),
            attr.group_key.as_ref().map(GroupKey::set),
        )
    };
    for (i, attr) in attrs.iter().enumerate() {
        let first = attrs[..i].iter().find(|other| set(other) == set(attr));
        let Some(first) = first else { continue };
        errors.push(match (&attr.all, &attr.group_key) {
            (Some(all), _) => syn::Error::new_spanned(
                all,
                "`all` is given twice: drop one of the attributes",
            ),
            (None, Some(key)) => {
                let text = match &key.names[..] {
                    [name] => name.value(),
                    _ => to_text(key),
                };
                let first = first.group_key.as_ref().map(to_text);
                let order = match first {
                    Some(first) if key.names.len() > 1 && first != text => ", in another order",
                    _ => "",
                };
                syn::Error::new_spanned(
                    key,
                    format!("the group key `{text}` is given twice{order}: drop one of the attributes"),
                )
            }
            (None, None) => syn::Error::new(
                attr.span,
                "the primary key is given twice: drop one of the attributes, or give it a `group_key`",
            ),
        });
    }
}

/// Returns the entity from `#[sea_orm(entity = "...")]`, the attribute of `DerivePartialModel`.
fn parse_sea_orm_entity(
    item: &DeriveInput,
    attrs: &[Attr],
    errors: &mut Vec<syn::Error>,
) -> Option<Path> {
    let value = sea_orm_attr::parse_args(&item.attrs)
        .into_iter()
        .find_map(|meta| sea_orm_attr::string_value(&meta, "entity"));
    let error = match value {
        Some(value) => match value.parse() {
            Ok(path) => return Some(path),
            Err(_) => syn::Error::new_spanned(
                &value,
                "this is not a path: write `entity = \"task::Entity\"`",
            ),
        },
        None if attrs.iter().any(|a| a.mistaken.contains(&"entity")) => return None,
        None => syn::Error::new(
            attrs.first().map_or_else(Span::call_site, |a| a.span),
            "the entity is missing: write `entity = task::Entity` here, or `#[sea_orm(entity = \"task::Entity\")]` on the struct",
        ),
    };
    errors.push(error);
    None
}
