//! One `#[subscribable(...)]` attribute.

mod argument;
mod argument_name;
mod secret;
mod value;

use heck::{ToSnakeCase, ToUpperCamelCase};
use proc_macro2::{Group, Span, TokenTree};
use syn::{
    Ident, LitBool, LitStr, Meta, Path, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

pub(crate) use self::secret::SecretColumn;
use self::{
    argument_name::{nearest_argument, unknown_argument},
    secret::Secret,
    value::{Rank, parse_boolean, parse_path, parse_rank, parse_string, quote_column},
};
use crate::{column::is_column, text::to_text};

/// The arguments of one attribute, as the user wrote them.
pub(crate) struct Attr {
    /// The place of the attribute, for errors about a missing argument.
    pub(crate) span: Span,
    pub(crate) group_key: Option<LitStr>,
    /// The variant of the group key's column, if SeaORM derives another from the field.
    pub(crate) column: Option<Path>,
    pub(crate) authorize: Option<Path>,
    pub(crate) public: Option<Path>,
    pub(crate) entity: Option<Path>,
    pub(crate) model: Option<LitStr>,
    pub(crate) check_permission: Option<Path>,
    pub(crate) filter: Option<Path>,
    pub(crate) rank: Option<Rank>,
    pub(crate) secret: Option<Secret>,
    pub(crate) hooks: Option<LitBool>,
    pub(crate) from_model: Option<LitBool>,
    pub(crate) krate: Option<Path>,
    /// The names of arguments that are present but wrong. Validation does not report them as
    /// missing.
    pub(crate) mistaken: Vec<&'static str>,
}

impl Attr {
    /// Parses the arguments. `args` is a group in parentheses with the span of the attribute.
    /// Adds every mistake to `errors` and keeps the arguments that are correct.
    pub(crate) fn parse(args: Group, errors: &mut Vec<syn::Error>) -> Self {
        let mut attr = Self {
            span: args.span(),
            group_key: None,
            column: None,
            authorize: None,
            public: None,
            entity: None,
            model: None,
            check_permission: None,
            filter: None,
            rank: None,
            secret: None,
            hooks: None,
            from_model: None,
            krate: None,
            mistaken: Vec::new(),
        };
        let metas = |input: ParseStream<'_>| {
            let content;
            syn::parenthesized!(content in input);
            while !content.is_empty() {
                if let Err(error) = attr.parse_argument(&content) {
                    errors.push(error);
                    argument::skip_argument(&content)?;
                }
                if content.is_empty() {
                    break;
                }
                if let Err(error) = content.parse::<Token![,]>() {
                    errors.push(error);
                }
            }
            Ok(())
        };
        if let Err(error) = metas.parse2(TokenTree::Group(args).into()) {
            errors.push(error);
        }
        if let Err(error) = attr.check_group_key() {
            attr.mistaken.push("group_key");
            errors.push(error);
        }
        if let (Some(_), Some(public)) = (&attr.authorize, &attr.public) {
            errors.push(syn::Error::new_spanned(
                public,
                "write either `authorize` or `public`: a group is open to the users whom a function admits, or to all users",
            ));
        }
        attr
    }

    /// Parses one argument. If it is wrong, notes which argument the user probably intended.
    fn parse_argument(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        // A value without a name, or a name that is similar to none, is probably the group key.
        let intended = input
            .fork()
            .call(Ident::parse_any)
            .ok()
            .and_then(|name| nearest_argument(&name.to_string()))
            .unwrap_or("group_key");
        let result = argument::parse_argument(input).and_then(|meta| self.set(&meta));
        if result.is_err() {
            self.mistaken.push(intended);
        }
        result
    }

    /// Stores the value of one argument.
    fn set(&mut self, meta: &Meta) -> syn::Result<()> {
        let name = meta.path();
        let Some(ident) = name
            .segments
            .last()
            .filter(|_| name.segments.len() == 1)
            .map(|s| s.ident.unraw())
        else {
            return Err(unknown_argument(meta, &to_text(name)));
        };
        match ident.to_string().as_str() {
            "group_key" => set_once(
                &mut self.group_key,
                &ident,
                parse_string(meta, &quote_column(meta))?,
            ),
            "column" => set_once(
                &mut self.column,
                &ident,
                parse_path(meta, "task::Column::ListId")?,
            ),
            "authorize" => set_once(
                &mut self.authorize,
                &ident,
                parse_path(meta, "permissions::may_see_list")?,
            ),
            "public" => match meta {
                Meta::Path(public) if self.public.is_none() => {
                    self.public = Some(public.clone());
                    Ok(())
                }
                _ => Err(syn::Error::new_spanned(
                    meta,
                    "write `public` once and without a value",
                )),
            },
            "entity" => set_once(&mut self.entity, &ident, parse_path(meta, "task::Entity")?),
            "model" => set_once(
                &mut self.model,
                &ident,
                parse_string(meta, r#""todolist.Task""#)?,
            )
            .and_then(|()| self.check_model()),
            "check_permission" => set_once(
                &mut self.check_permission,
                &ident,
                parse_path(meta, "permissions::may_see")?,
            ),
            "filter" => set_once(&mut self.filter, &ident, parse_path(meta, "is_listed")?),
            "rank" => set_once(&mut self.rank, &ident, parse_rank(meta)?),
            "secret" => set_once(&mut self.secret, &ident, Secret::parse(meta)?),
            "hooks" => set_once(&mut self.hooks, &ident, parse_boolean(meta)?),
            "from_model" => set_once(&mut self.from_model, &ident, parse_boolean(meta)?),
            "crate" => set_once(&mut self.krate, &ident, parse_path(meta, "rest_live")?),
            other => Err(unknown_argument(meta, other)),
        }
    }

    /// Checks that the group key is the name of a column.
    fn check_group_key(&self) -> syn::Result<()> {
        let Some(key) = &self.group_key else {
            return match &self.column {
                Some(column) if !self.mistaken.contains(&"group_key") => {
                    Err(syn::Error::new_spanned(
                        column,
                        "`column` is the column of a group key: also write `group_key = \"list_id\"`, the name of its field in the model",
                    ))
                }
                _ => Ok(()),
            };
        };
        match key.value().as_str() {
            "pk" => Err(syn::Error::new_spanned(
                key,
                "`pk` is the primary key: write `#[subscribable]` without a group key",
            )),
            // The compiler suggests the variant if a column is misspelled; the user may copy that.
            name if name.starts_with(char::is_uppercase)
                && is_column(name)
                && self.column.is_none() =>
            {
                Err(syn::Error::new_spanned(
                    key,
                    format!(
                        "a group key is the name of a column's field in the model, as clients send it: write `group_key = \"{}\"`, or add `column = {}` if the field is called `{name}`",
                        name.to_snake_case(),
                        name.to_upper_camel_case(),
                    ),
                ))
            }
            name if is_column(name) => Ok(()),
            _ => Err(syn::Error::new_spanned(
                key,
                r#"a group key is the name of a column's field in the model: write `group_key = "list_id"`"#,
            )),
        }
    }

    /// Checks that the label is `application.Model`.
    fn check_model(&self) -> syn::Result<()> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        let value = model.value();
        let is_word =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        match value.split_once('.') {
            Some((application, name)) if is_word(application) && is_word(name) => Ok(()),
            _ => Err(syn::Error::new_spanned(
                model,
                r#"a model's label is the application, a dot and the model's name: write `model = "todolist.Task"`"#,
            )),
        }
    }
}

/// Fills a slot, unless the argument was given before.
fn set_once<T>(slot: &mut Option<T>, name: &Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new_spanned(
            name,
            format!("`{name}` is given twice: keep one"),
        ));
    }
    *slot = Some(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correct_arguments_survive_wrong_ones() {
        let mut errors = Vec::new();
        let args = syn::parse_quote!((
            model = "app.Task",
            "list_id",
            enity = task::Entity,
            rank = -7 public,
            hooks = ,
            from_model = false,
        ));
        let attr = Attr::parse(args, &mut errors);

        assert_eq!(
            attr.model.map(|model| model.value()).as_deref(),
            Some("app.Task")
        );
        assert_eq!(attr.rank.map(|rank| rank.value), Some(-7));
        assert!(attr.public.is_some());
        assert!(attr.from_model.is_some_and(|from_model| !from_model.value));
        assert_eq!(attr.mistaken, ["group_key", "entity", "hooks"]);
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                r#"arguments have names: write `group_key = "list_id"`"#,
                "unknown argument `enity`: did you mean `entity`?",
                "expected `,`",
                "write a value after `hooks =`, or remove the argument",
            ]
        );
    }
}
