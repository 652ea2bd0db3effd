//! `impl Subscribable` for a serializer: its declaration.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{LitStr, Path, ext::IdentExt, spanned::Spanned};

use crate::{
    ast::{FieldValue, KeyColumn, Serializer, SerializerGroup, SerializerKey},
    attr::SecretColumn,
    column,
};

/// Generates the implementation and its registration.
pub(super) fn expand_subscribable(serializer: &Serializer) -> TokenStream {
    let Serializer {
        ident,
        entity,
        krate,
        rank,
        check_permission,
        filter,
        secret,
        groups,
        ..
    } = serializer;
    let name = ident.to_string();
    let model = expand_option(serializer.model.as_ref().map(ToTokens::to_token_stream));
    let permission = expand_option(check_permission.as_ref().map(|path| {
        // With the span of the path, where the compiler then shows the expected signature.
        let model = quote_spanned!(path.span()=> <#entity as #krate::__private::sea_orm::EntityTrait>::Model);
        quote_spanned!(path.span()=> || #krate::__private::Permission::of::<#model, _>(#path))
    }));
    let filter = expand_option(filter.as_ref().map(|path| {
        // With the span of the path, as above.
        let model = quote_spanned!(path.span()=> <#entity as #krate::__private::sea_orm::EntityTrait>::Model);
        quote_spanned!(path.span()=> || #krate::__private::Filter::of::<#model>(#path))
    }));
    let fields = serializer.from_model.then(|| expand_fields(serializer));
    let secret = secret.iter().map(|column| match column {
        SecretColumn::Field(name) => expand_column(name, entity, krate),
        SecretColumn::Variant(path) => path.to_token_stream(),
    });
    let declarations = groups
        .iter()
        .map(|group| expand_group(group, entity, krate));
    quote! {
        #[automatically_derived]
        impl #krate::Subscribable for #ident {
            type Entity = #entity;

            // Cargo sets the first variable only for programs.
            const PACKAGE: ::core::option::Option<&'static str> = match ::core::option_env!("CARGO_BIN_NAME") {
                ::core::option::Option::Some(_) => ::core::option_env!("CARGO_PKG_NAME"),
                ::core::option::Option::None => ::core::option::Option::None,
            };

            const DECLARATION: #krate::__private::Declaration<<#entity as #krate::__private::sea_orm::EntityTrait>::Column> =
                #krate::__private::Declaration {
                    serializer: #name,
                    module: ::core::module_path!(),
                    model: #model,
                    rank: #rank,
                    check_permission: #permission,
                    filter: #filter,
                    secret: &[#(#secret),*],
                    groups: &[#(#declarations),*],
                };

            #fields

            fn from_row(row: &<#entity as #krate::__private::sea_orm::EntityTrait>::Model) -> Self {
                <Self as ::core::convert::From<&<#entity as #krate::__private::sea_orm::EntityTrait>::Model>>::from(row)
            }
        }
        #krate::__private::inventory::submit! { #krate::__private::Registration::of::<#ident>() }
    }
}

/// Generates the list of the model's fields that the generated conversion reads.
fn expand_fields(serializer: &Serializer) -> TokenStream {
    let Serializer { entity, krate, .. } = serializer;
    let fields = serializer.fields.iter().filter_map(|field| {
        let FieldValue::Column(column) = &field.value else {
            return None;
        };
        let (cfg, name) = (&field.cfg, column.unraw().to_string());
        Some(quote! {
            #(#cfg)*
            #krate::__private::ShownField {
                name: #name,
                heap_bytes: |row| #krate::__private::heap_bytes(&row.#column),
            }
        })
    });
    quote! {
        const FIELDS: ::core::option::Option<&'static [#krate::__private::ShownField<<#entity as #krate::__private::sea_orm::EntityTrait>::Model>]> =
            ::core::option::Option::Some(&[#(#fields),*]);
    }
}

/// Generates `Some(value)` or `None`.
fn expand_option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// Generates the variant of a column. It has the span of the string, where the compiler then
/// suggests similar columns.
fn expand_column(name: &LitStr, entity: &Path, krate: &Path) -> TokenStream {
    let variant = column::variant(name);
    quote!(<#entity as #krate::__private::sea_orm::EntityTrait>::Column::#variant)
}

/// Generates the declaration of one group.
fn expand_group(group: &SerializerGroup, entity: &Path, krate: &Path) -> TokenStream {
    let SerializerGroup {
        key,
        authorize,
        public,
    } = group;
    let key = match key {
        SerializerKey::PrimaryKey => {
            let primary_key =
                quote!(<#entity as #krate::__private::sea_orm::EntityTrait>::PrimaryKey);
            let value =
                quote!(<#primary_key as #krate::__private::sea_orm::PrimaryKeyTrait>::ValueType);
            let field = quote!(#krate::__private::FieldType::<#value>::new());
            quote! {
                #krate::__private::GroupKey::PrimaryKey {
                    choices: || #krate::__private::choices!(#field),
                }
            }
        }
        SerializerKey::Columns(columns) => {
            let columns = columns
                .iter()
                .map(|column| expand_key_column(column, entity, krate));
            quote!(#krate::__private::GroupKey::Columns(&[#(#columns),*]))
        }
    };
    let authorize = expand_option(authorize.as_ref().map(|path| {
        // Without the span of the path: for a function with too few parameters, the compiler would
        // suggest removing one of these arguments from the attribute.
        let arguments = quote!((user, value, db));
        quote_spanned! {path.span()=>
            || #krate::__private::Authorization::of(&#path, |user, value, db| ::std::boxed::Box::pin(#path #arguments))
        }
    }));
    quote! {
        #krate::__private::GroupDeclaration {
            group_key: #key,
            authorize: #authorize,
            public: #public,
        }
    }
}

/// Generates one column of a group key.
fn expand_key_column(
    KeyColumn { name, variant }: &KeyColumn,
    entity: &Path,
    krate: &Path,
) -> TokenStream {
    let model = quote!(<#entity as #krate::__private::sea_orm::EntityTrait>::Model);
    let field = column::field(name);
    // The type of the column's values is that of the field.
    let field =
        quote_spanned!(name.span()=> #krate::__private::FieldType::of(|row: &#model| &row.#field));
    let column = match variant {
        None => expand_column(name, entity, krate),
        Some(variant) => match variant.get_ident() {
            Some(variant) => {
                quote!(<#entity as #krate::__private::sea_orm::EntityTrait>::Column::#variant)
            }
            None => variant.to_token_stream(),
        },
    };
    quote! {
        #krate::__private::GroupColumn {
            name: #name,
            column: #column,
            choices: || #krate::__private::choices!(#field),
        }
    }
}
