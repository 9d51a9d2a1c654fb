import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Digest from "../src/Digest.js"
import * as Reference from "../src/Reference.js"
import * as RepositoryName from "../src/RepositoryName.js"
import type { SyntaxInvalid } from "../src/SyntaxInvalid.js"
import * as Tag from "../src/Tag.js"
import { hostileTexts, hosts, quickest, references } from "./texts.js"

const sha256 = `sha256:${"f".repeat(64)}`
const sha512 = `sha512:${"f".repeat(128)}`

const read = (text: string): Reference.Reference => Either.getOrThrow(Reference.parse(text))

const fieldsOf = (reference: Reference.Reference) => [
  reference.registry,
  reference.repository,
  reference.tag,
  reference.digest
]

/** Texts of characters with a meaning in references. Many of them are valid. */
const grammarLike = fc.string({ unit: fc.constantFrom(..."aA0a0a.-_/:@[]%"), maxLength: 12 })

const reasonOf = (result: Either.Either<unknown, SyntaxInvalid>): string =>
  Either.match(result, { onLeft: (error) => error.reason, onRight: () => "it was taken" })

describe("parse", () => {
  // The rows of the tests of distribution/reference, cue-labs/oci ociref and go-containerregistry pkg/name with a host.
  const taken: ReadonlyArray<
    readonly [text: string, registry: string, repository: string, tag?: string | undefined, digest?: string]
  > = [
    ["test.com/foo", "test.com", "foo"],
    ["test.com/repo:tag", "test.com", "repo", "tag"],
    ["test:5000/repo", "test:5000", "repo"],
    ["test:5000/repo:tag", "test:5000", "repo", "tag"],
    [`test:5000/repo@${sha256}`, "test:5000", "repo", undefined, sha256],
    [`test:5000/repo:tag@${sha256}`, "test:5000", "repo", "tag", sha256],
    ["test-com:8080/foo", "test-com:8080", "foo"],
    ["foo.com/bar:8080", "foo.com", "bar", "8080"],
    ["foo.com/foo_bar", "foo.com", "foo_bar"],
    ["foo.com/bar/baz", "foo.com", "bar/baz"],
    ["sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux"],
    ["sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com", "bar/baz/quux", "some-long-tag"],
    ["b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io", "test.example.com/my-app", "test.example.com"],
    ["xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com"],
    ["xn--n3h.com:18080/foo", "xn--n3h.com:18080", "foo"],
    [`xn--7o8h.com/myimage:xn--7o8h.com@${sha512}`, "xn--7o8h.com", "myimage", "xn--7o8h.com", sha512],
    ["example.com/xn--7o8h.com/myimage", "example.com", "xn--7o8h.com/myimage"],
    ["example.com/some_separator__underscore/myimage", "example.com", "some_separator__underscore/myimage"],
    [
      "registry.io/foo/project--id.module--name.ver---sion--name",
      "registry.io",
      "foo/project--id.module--name.ver---sion--name"
    ],
    ["192.168.1.1/repo", "192.168.1.1", "repo"],
    ["192.168.1.1:5000/repo", "192.168.1.1:5000", "repo"],
    ["192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050"],
    ["0101.com/app", "0101.com", "app"],
    ["[2001:db8::1]/repo", "[2001:db8::1]", "repo"],
    ["[2001:db8:1:2:3:4:5:6]/repo:tag", "[2001:db8:1:2:3:4:5:6]", "repo", "tag"],
    ["[2001:db8::1]:5000/repo", "[2001:db8::1]:5000", "repo"],
    ["[2001:db8::1]:5000/repo:tag", "[2001:db8::1]:5000", "repo", "tag"],
    [`[2001:db8::1]:5000/repo@${sha256}`, "[2001:db8::1]:5000", "repo", undefined, sha256],
    [`[2001:db8::1]:5000/repo:tag@${sha256}`, "[2001:db8::1]:5000", "repo", "tag", sha256],
    ["[2001:db8::]:5000/repo", "[2001:db8::]:5000", "repo"],
    ["[::1]:5000/repo", "[::1]:5000", "repo"],
    ["localhost/testimage", "localhost", "testimage"],
    ["localhost:8080/bar", "localhost:8080", "bar"],
    [`localhost:8080/name@${sha256}`, "localhost:8080", "name", undefined, sha256],
    ["docker.io/debian", "docker.io", "debian"],
    ["index.docker.io/library/ubuntu", "index.docker.io", "library/ubuntu"],
    [`docker.io/${"1a3f5e7d".repeat(8)}`, "docker.io", "1a3f5e7d".repeat(8)],
    ["mirror.gcr.io/ubuntu", "mirror.gcr.io", "ubuntu"],
    ["gcr.io/google.com/g-convoy/hello-world:latest", "gcr.io", "google.com/g-convoy/hello-world", "latest"],
    ["us.gcr.io/project-id/image:with.period.in.tag", "us.gcr.io", "project-id/image", "with.period.in.tag"],
    [
      "gcr.io/project-id/image:w1th-alpha_num3ric.PLUScaps",
      "gcr.io",
      "project-id/image",
      "w1th-alpha_num3ric.PLUScaps"
    ],
    ["domain.with.port:9001/image:latest", "domain.with.port:9001", "image", "latest"],
    [`example.text:8443/foo/bar:latest@${sha256}`, "example.text:8443", "foo/bar", "latest", sha256],
    [
      "gcr.io/project-id/other-algorithm@unknown:abc123",
      "gcr.io",
      "project-id/other-algorithm",
      undefined,
      "unknown:abc123"
    ],
    ["a.b/a", "a.b", "a"],
    ["a:1/a", "a:1", "a"],
    ["a:65535/a", "a:65535", "a"],
    [`a.b/${"a".repeat(255)}:${"t".repeat(128)}`, "a.b", "a".repeat(255), "t".repeat(128)],
    [`a.b/${"a/".repeat(127)}a:tag`, "a.b", `${"a/".repeat(127)}a`, "tag"]
  ]
  for (const [text, registry, repository, tag, digest] of taken) {
    it(`takes ${text}`, () => {
      const reference = read(text)
      expect(fieldsOf(reference)).toEqual([registry, repository, tag, digest])
      expect(Object.keys(reference).sort()).toEqual(["digest", "registry", "repository", "tag"])
      expect(Reference.format(reference)).toBe(text)
    })
  }

  const folded: ReadonlyArray<readonly [text: string, registry: string]> = [
    ["Asdf.com/foo/bar", "asdf.com"],
    ["EXAMPLE.com:443/foo", "example.com:443"],
    ["LocalHost/foo", "localhost"],
    ["TEST:5000/foo", "test:5000"],
    ["XN--N3H.com/foo", "xn--n3h.com"],
    ["[2001:DB8::A]/foo", "[2001:db8::a]"],
    ["[0:0:0:0:0:0:0:1]:5000/foo", "[::1]:5000"],
    ["[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:5000/foo", "[2001:db8:85a3::8a2e:370:7334]:5000"]
  ]
  it.each(folded)("folds the host of %s to %s", (text, registry) => {
    const reference = read(text)
    expect(reference.registry).toBe(registry)
    expect(Equal.equals(read(Reference.format(reference)), reference)).toBe(true)
  })

  const refused: ReadonlyArray<readonly [text: string, reason: string]> = [
    ["", "a host and a slash"],
    ["alpine", "a host and a slash"],
    ["test.com", "a host and a slash"],
    ["test.com:tag", "a host and a slash"],
    ["test.com:5000", "a host and a slash"],
    ["192.168.1.1:5000", "a host and a slash"],
    [":justtag", "a host and a slash"],
    [`@${sha256}`, "a host and a slash"],
    [`repo@${sha256}`, "a host and a slash"],
    ["[2001:db8::1]", "a host and a slash"],
    ["[2001:db8::1]:5000", "a host and a slash"],
    ["[2001:db8::1]:tag", "a host and a slash"],
    ["team/app", "no dot and no port"],
    ["foo/foo_bar.com:8080", "no dot and no port"],
    ["Foo/bar", "no dot and no port"],
    ["a/a/a/a", "no dot and no port"],
    ["/app", "the host is not a domain name"],
    ["test_com/foo", "the host is not a domain name"],
    ["foo_bar.com:8080/app", "the host is not a domain name"],
    ["bad_hostname.com:8080/myapp:tag", "the host is not a domain name"],
    ["do__cker:8080/docker", "the host is not a domain name"],
    ["-docker.io/docker/docker", "the host is not a domain name"],
    ["ab-.com/a", "the host is not a domain name"],
    ["ab.-com/a", "the host is not a domain name"],
    ["ab.com-/a", "the host is not a domain name"],
    ["foo..com/a", "the host is not a domain name"],
    [".docker/docker", "the host is not a domain name"],
    ["docker./docker", "the host is not a domain name"],
    ["example.com./docker", "the host is not a domain name"],
    ["gcr?com/a", "the host is not a domain name"],
    ["white space.com/a", "the host is not a domain name"],
    ["user@example.com/a", "the host is not a domain name"],
    ["example%2ecom/a", "the host is not a domain name"],
    ["☃.com/a", "the host is not a domain name"],
    ["EXAMPLE.\u212aOM/a", "the host is not a domain name"],
    ["127.1/a", "the host is not a domain name"],
    ["0x7f.0.0.1/a", "the host is not a domain name"],
    ["2130706433:80/a", "the host is not a domain name"],
    ["10.256.0.0:5000/a", "the host is not a domain name"],
    ["[]/a", "the host is not a domain name"],
    ["[::1/a", "the port"],
    ["::1]:80/a", "the host is not a domain name"],
    ["[fe80::1%eth0]:5000/repo", "the host is not a domain name"],
    ["[fe80::1%25eth0]:5000/repo", "the host is not a domain name"],
    ["[fe80::1%@invalidzone]:5000/repo", "the host is not a domain name"],
    ["[2001:db8:3:4::192.0.2.33]:5000/debian", "the host is not a domain name"],
    ["[fd00:1:2::3]75050/a", "the host is not a domain name"],
    ["[fd00123123123]:7505/a", "the host is not a domain name"],
    ["[1:2:3:4:5:6:7:8:9]/a", "the host is not a domain name"],
    ["[fd00:1:2::3]::7505/a", "the port"],
    ["fd00:1:2::3:75050/a", "the port"],
    ["fc00::1:5000/debian", "the port"],
    ["localhost:http/name", "the port"],
    ["foo.com:/bar", "the port"],
    ["foo.com:0/bar", "the port"],
    ["foo.com:080/bar", "the port"],
    ["foo.com:65536/bar", "the port"],
    ["foo.com:٣/bar", "the port"],
    ["192.168.1.1:750050/a", "the port"],
    ["https://github.com/docker/docker", "no scheme"],
    ["docker://alpine", "no scheme"],
    ["foo.com/", "in its repository name, it is empty"],
    ["foo.com/:tag", "in its repository name, it is empty"],
    ["foo.com//bar", "in its repository name, a component"],
    ["foo.com/bar/", "in its repository name, a component"],
    ["docker.io/docker///docker", "in its repository name, a component"],
    ["test:5000/Uppercase/lowercase:tag", "in its repository name, components"],
    ["docker.io/docker/Docker", "in its repository name, components"],
    ["foo.com/a-/a/a", "in its repository name, components"],
    ["example.com/__underscore/myimage", "in its repository name, components"],
    ["example.com/..dots/myimage", "in its repository name, components"],
    ["example.com/nodouble..dots/myimage", "in its repository name, components"],
    ["example.com/a/../b", "in its repository name, components"],
    ["example.com/a%2fb", "in its repository name, components"],
    ["example.com/a\\b", "in its repository name, components"],
    ["example.com/aa/asdf$$^/aa", "in its repository name, components"],
    ["example.com/café", "in its repository name, components"],
    ["foo.com/bar\n", "in its repository name, components"],
    [`a.b/${"a/".repeat(128)}a:tag`, "in its repository name, it is longer"],
    ["foo.com/bar:", "in its tag, it is empty"],
    [`foo.com/bar:@${sha256}`, "in its tag, it is empty"],
    ["registry.com:8080/myapp:invalid~tag", "in its tag, a tag is"],
    ["foo.com/bar:.tag", "in its tag, a tag is"],
    ["foo.com/bar:a:b", "in its tag, a tag is"],
    ["foo.com/bar:tag\n", "in its tag, a tag is"],
    ["gcr.io/project-id/wrong-length:white space", "in its tag, a tag is"],
    [`foo.com/bar:${"t".repeat(129)}`, "in its tag, it is longer"],
    ["gcr.io/project-id/bad_chars:c@n'tuse", "in its digest, a digest is written"],
    ["gcr.io/project-id/missing-digest@", "in its digest, a digest is written"],
    ["registry.com:8080/myapp@bad", "in its digest, a digest is written"],
    ["foo.com/bar@invalidDigest:ffff", "in its digest, the algorithm"],
    [`foo.com/bar@${sha256}@${sha256}`, "in its digest, sha256 is followed by 64"],
    ["gcr.io/project-id/wrong-length@sha256:d34db33fd34db33f", "in its digest, sha256 is followed by 64"],
    ["registry.com:8080/myapp@sha256:badbadbadbad", "in its digest, sha256 is followed by 64"],
    [`foo.com/bar@sha256:${"F".repeat(64)}`, "in its digest, sha256 is followed by 64"],
    [`foo.com/bar@x:../${"y".repeat(32)}`, "in its digest, the part after"],
    [`${"a.".repeat(140)}b/app`, "the host is longer"],
    [`foo.com/${"a".repeat(2000)}`, "it is longer"]
  ]
  it.each(refused)("refuses %j", (text, reason) => {
    expect(reasonOf(Reference.parse(text))).toContain(reason)
  })

  it("names the text, and why it is not a reference", () => {
    const error = Either.getOrThrow(Either.flip(Reference.parse("team/\u001b[2J")))
    expect(error.message).toBe(
      "invalid reference \"team/\\u001b[2J\": the host has no dot and no port, and is not localhost"
    )
  })

  it("parses what format returns", () => {
    fc.assert(fc.property(references, (reference) => {
      const text = Reference.format(reference)
      expect(Equal.equals(read(text), reference)).toBe(true)
      expect(Reference.format(read(text))).toBe(text)
    }))
  })

  it("normalizes what it accepts", () => {
    fc.assert(fc.property(grammarLike, hosts, (tail, host) => {
      for (const text of [tail, `${host.toUpperCase()}/${tail}`]) {
        const once = Either.map(Reference.parse(text), Reference.format)
        expect(Either.flatMap(once, Reference.parse)).toEqual(Reference.parse(text))
        const kept = Either.map(once, (form) => form.slice(form.indexOf("/")))
        expect(Either.getOrElse(kept, () => text.slice(text.indexOf("/")))).toBe(text.slice(text.indexOf("/")))
      }
    }))
  })
})

describe("parseFamiliar", () => {
  const hex = "1a3f5e7d9c1b3a5f".repeat(4)
  const taken: ReadonlyArray<readonly [text: string, full: string, familiar?: string]> = [
    ["alpine", "docker.io/library/alpine:latest"],
    ["alpine:3.20", "docker.io/library/alpine:3.20"],
    ["library/alpine", "docker.io/library/alpine:latest", "alpine"],
    ["docker.io/alpine", "docker.io/library/alpine:latest", "alpine"],
    ["docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine"],
    ["index.docker.io/alpine", "docker.io/library/alpine:latest", "alpine"],
    ["index.docker.io/library/alpine:latest", "docker.io/library/alpine:latest", "alpine"],
    ["DOCKER.io/alpine", "docker.io/library/alpine:latest", "alpine"],
    ["Index.Docker.IO/fooo/bar", "docker.io/fooo/bar:latest", "fooo/bar"],
    ["user/app", "docker.io/user/app:latest"],
    ["user/app:v1", "docker.io/user/app:v1"],
    ["docker/docker", "docker.io/docker/docker:latest"],
    ["library/foo/bar", "docker.io/library/foo/bar:latest"],
    ["docker.io/library/foo/bar", "docker.io/library/foo/bar:latest", "library/foo/bar"],
    ["other/library", "docker.io/other/library:latest"],
    ["library", "docker.io/library/library:latest"],
    ["aa/aa/bb/bb/bb", "docker.io/aa/aa/bb/bb/bb:latest"],
    [`alpine@${sha256}`, `docker.io/library/alpine@${sha256}`],
    [`user/app@${sha256}`, `docker.io/user/app@${sha256}`],
    [`alpine:latest@${sha256}`, `docker.io/library/alpine:latest@${sha256}`],
    [`localhost@${sha256}`, `docker.io/library/localhost@${sha256}`],
    [`localhost:8080@${sha256}`, `docker.io/library/localhost:8080@${sha256}`],
    ["localhost", "docker.io/library/localhost:latest"],
    ["localhost/app", "localhost/app:latest"],
    ["LOCALHOST/app", "localhost/app:latest", "localhost/app"],
    ["test_com", "docker.io/library/test_com:latest"],
    ["test_com/foo", "docker.io/test_com/foo:latest"],
    ["test.com", "docker.io/library/test.com:latest"],
    ["test.com:tag", "docker.io/library/test.com:tag"],
    ["test.com:5000", "docker.io/library/test.com:5000"],
    ["192.168.0.1", "docker.io/library/192.168.0.1:latest"],
    ["192.168.0.1:80", "docker.io/library/192.168.0.1:80"],
    ["foo_bar.com:8080", "docker.io/library/foo_bar.com:8080"],
    ["foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080"],
    ["lowercase:Uppercase", "docker.io/library/lowercase:Uppercase"],
    ["127.0.0.1:5000/debian", "127.0.0.1:5000/debian:latest"],
    ["127.0.0.1:8000/private/moonbase", "127.0.0.1:8000/private/moonbase:latest"],
    ["example.com/privatebase", "example.com/privatebase:latest"],
    ["[fc00::1]:5000/docker", "[fc00::1]:5000/docker:latest"],
    ["registry-1.docker.io/library/alpine", "registry-1.docker.io/library/alpine:latest"],
    ["docker.io/test.com/foo", "docker.io/test.com/foo:latest"],
    ["docker.io/localhost/foo:v1", "docker.io/localhost/foo:v1"],
    ["docker---rules/docker", "docker.io/docker---rules/docker:latest"],
    ["dock__er/docker", "docker.io/dock__er/docker:latest"],
    ["jess/t", "docker.io/jess/t:latest"],
    ["0", "docker.io/library/0:latest"],
    [hex.slice(1), `docker.io/library/${hex.slice(1)}:latest`],
    [`${hex}:latest`, `docker.io/library/${hex}:latest`],
    [`docker.io/${hex}:v1`, `docker.io/library/${hex}:v1`, `${hex}:v1`],
    [`sha256:${hex}`, `docker.io/library/sha256:${hex}`]
  ]
  for (const [text, full, familiar] of taken) {
    it(`reads ${text} as ${full}`, () => {
      const reference = Either.getOrThrow(Reference.parseFamiliar(text))
      expect(Reference.format(reference)).toBe(full)
      expect(Reference.familiar(reference)).toBe(familiar ?? text)
    })
  }

  const refused: ReadonlyArray<readonly [text: string, reason: string]> = [
    ["", "in its repository name, it is empty"],
    [":justtag", "in its repository name, it is empty"],
    [`@${sha256}`, "in its repository name, it is empty"],
    ["/alpine", "in its repository name, a component"],
    ["docker/", "in its repository name, a component"],
    ["docker///docker", "in its repository name, a component"],
    ["docker/Docker", "in its repository name, components"],
    ["Docker/docker", "in its repository name, components"],
    ["Uppercase:tag", "in its repository name, components"],
    ["-docker", "in its repository name, components"],
    ["-docker/docker", "in its repository name, components"],
    ["docker-/docker", "in its repository name, components"],
    ["____/____", "in its repository name, components"],
    ["_docker/_docker", "in its repository name, components"],
    ["dock_.er/docker", "the host is not a domain name"],
    ["dock..er/docker", "the host is not a domain name"],
    ["-docker.io/docker/docker", "the host is not a domain name"],
    ["[fe80::1%eth0]:5000/debian", "the host is not a domain name"],
    ["[2001:db8:3:4::192.0.2.33]:5000/debian", "the host is not a domain name"],
    ["fc00::1:5000/debian", "the port"],
    ["[fc00::1]", "in its repository name, components"],
    ["[fc00::1]:5000", "in its repository name, components"],
    ["https://github.com/docker/docker", "no scheme"],
    ["white space", "in its repository name, components"],
    ["b@char/image", "in its digest"],
    [hex, "the id of an image"],
    ["a".repeat(248), "in its repository name, it is longer"],
    [`${"this_is_not_valid_".repeat(15)}/docker`, "in its repository name, it is longer"]
  ]
  it.each(refused)("refuses %j", (text, reason) => {
    expect(reasonOf(Reference.parseFamiliar(text))).toContain(reason)
  })

  it("accepts every full reference to a manifest, except for Docker Hub's own forms", () => {
    fc.assert(fc.property(references, (reference) => {
      fc.pre(reference.tag !== undefined || reference.digest !== undefined)
      fc.pre(!reference.registry.endsWith("docker.io"))
      expect(Equal.equals(Either.getOrThrow(Reference.parseFamiliar(Reference.format(reference))), reference)).toBe(
        true
      )
    }))
  })

  it("parses what familiar returns, which is not longer than the full text", () => {
    fc.assert(fc.property(references, (reference) => {
      const known = Either.getOrThrow(Reference.parseFamiliar(Reference.format(reference)))
      const text = Reference.familiar(known)
      expect(Equal.equals(Either.getOrThrow(Reference.parseFamiliar(text)), known)).toBe(true)
      expect(text.length).toBeLessThanOrEqual(Reference.format(known).length)
    }))
  })

  it("has no short form if parseFamiliar would parse it differently", () => {
    expect(Reference.familiar(read("docker.io/alpine:v1"))).toBe("docker.io/alpine:v1")
    expect(Reference.familiar(read("docker.io/library/alpine"))).toBe("docker.io/library/alpine")
    expect(Reference.familiar(read("index.docker.io/library/alpine:v1"))).toBe("index.docker.io/library/alpine:v1")
  })
})

describe("Reference", () => {
  const repository = RepositoryName.make("team/app")
  const tag = Tag.make("v1")
  const digest = Digest.make(sha256)
  const app = Reference.make({ registry: "GHCR.io", repository, tag })

  it("is made from its parts, with a normalized host", () => {
    expect(fieldsOf(app)).toEqual(["ghcr.io", "team/app", "v1", undefined])
    expect(fieldsOf(Reference.make({ registry: "ghcr.io", repository }))).toEqual([
      "ghcr.io",
      "team/app",
      undefined,
      undefined
    ])
  })

  it("is not made from a text that is not a host", () => {
    expect(() => Reference.make({ registry: "ghcr.io/team", repository })).toThrow(
      "invalid registry \"ghcr.io/team\": the host is not a domain name"
    )
  })

  it("is equal if its fields are equal", () => {
    const same = read("ghcr.io/team/app:v1")
    expect(Equal.equals(app, same)).toBe(true)
    expect(Hash.hash(app)).toBe(Hash.hash(same))
    for (const other of ["ghcr.io/team/app:v2", "ghcr.io/team/app", "ghcr.io/team/web:v1", "ghcr.io:443/team/app:v1"]) {
      expect(Equal.equals(app, read(other))).toBe(false)
    }
    expect(Equal.equals(app, "ghcr.io/team/app:v1")).toBe(false)
  })

  it("is distinguished from other values", () => {
    expect(Reference.is(app)).toBe(true)
    expect(Reference.is({ ...app })).toBe(false)
    expect(Reference.is("ghcr.io/team/app:v1")).toBe(false)
  })

  it("adds and removes a tag and a digest", () => {
    expect(String(Reference.withDigest(app, digest))).toBe(`ghcr.io/team/app:v1@${sha256}`)
    expect(String(app.pipe(Reference.withTag(undefined)))).toBe("ghcr.io/team/app")
    expect(String(Reference.withTag(Reference.withDigest(app, digest), undefined))).toBe(`ghcr.io/team/app@${sha256}`)
    expect(String(app.pipe(Reference.withDigest(digest), Reference.withDigest(undefined)))).toBe("ghcr.io/team/app:v1")
  })

  it("is a string in JSON, which its schema decodes", () => {
    const json = JSON.stringify({ app })
    expect(json).toBe("{\"app\":\"ghcr.io/team/app:v1\"}")
    const decoded = Schema.decodeUnknownSync(Schema.Struct({ app: Reference.schema }))(JSON.parse(json))
    expect(Equal.equals(decoded.app, app)).toBe(true)
    expect(Schema.encodeSync(Reference.schema)(app)).toBe("ghcr.io/team/app:v1")
    expect(() => Schema.decodeUnknownSync(Reference.schema)("team/app")).toThrow("no dot and no port")
  })

  it.each(hostileTexts)("parses $name quickly", ({ text }) => {
    expect(quickest(() => Reference.parse(text))).toBeLessThan(5)
    expect(quickest(() => Reference.parseFamiliar(text))).toBeLessThan(5)
    expect(Either.isLeft(Reference.parse(text))).toBe(true)
    expect(Either.isLeft(Reference.parseFamiliar(text))).toBe(true)
  })
})
