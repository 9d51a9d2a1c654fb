import * as Digest from "@effect-oci/core/Digest"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import type { SyntaxInvalid } from "@effect-oci/core/SyntaxInvalid"
import * as Tag from "@effect-oci/core/Tag"
import * as Either from "effect/Either"
import type { PathParameters } from "../Endpoint.js"
import type * as Route from "../Route.js"

/** Parses and validates the names in a path. */
export const parsePath = (
  route: Exclude<Route.Route, { readonly _tag: "Base" }>
): Either.Either<PathParameters[Route.RouteTag], RegistryError.RegistryError> => {
  if (route._tag === "Catalog") return Either.right({})
  const repository = RepositoryName.parse(route.name)
  if (Either.isLeft(repository)) return Either.left(RegistryError.fromSyntax(repository.left))
  const name = repository.right
  switch (route._tag) {
    case "Uploads":
    case "Tags":
      return Either.right({ repository: name })
    case "Upload":
      // Dots are not an id, because a client would resolve them as a parent path.
      return route.id === "." || route.id === ".."
        ? Either.left(new RegistryError.BlobUploadUnknown({ repository: name }))
        : Either.right({ repository: name, id: route.id })
    case "Blob":
    case "Referrers":
      return withParsed(name, Digest.parse(route.digest), (digest) => ({ repository: name, digest }))
    case "Manifest":
      return route.reference.includes(":")
        ? withParsed(name, Digest.parse(route.reference), (reference) => ({ repository: name, reference }))
        : withParsed(name, Tag.parse(route.reference), (reference) => ({ repository: name, reference }))
  }
}

const withParsed = <A, P>(
  repository: RepositoryName.RepositoryName,
  parsed: Either.Either<A, SyntaxInvalid>,
  make: (value: A) => P
): Either.Either<P, RegistryError.RegistryError> =>
  Either.isRight(parsed)
    ? Either.right(make(parsed.right))
    : Either.left(RegistryError.fromSyntax(parsed.left, { repository }))
