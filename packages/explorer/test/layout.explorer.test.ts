import { MediaType, RepositoryName, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import axe from "axe-core"
import { Effect } from "effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import type { Page } from "playwright-core"
import { hasBrowser, serve, setup, visit } from "./browser.js"
import { encode, files, push } from "./images.js"

/** If set, each view is written there as a picture. */
const pictures = process.env["SCREENSHOTS"]

const app = RepositoryName.make("platform/payments/gateway")
const long = RepositoryName.make(`very-long-team-name/${"a-repository-with-a-long-name-".repeat(5)}end`)

const image = Effect.map(
  files({
    "etc/os-release": "NAME=\"Example Linux\"\nVERSION=12\n",
    "usr/bin/gateway": new Uint8Array(3000),
    "srv/app/package.json": `{ "name": "gateway" }\n`,
    "srv/app/.wh.old.js": ""
  }),
  (first) => ({
    annotations: {
      "org.opencontainers.image.source": "https://github.com/example/gateway",
      "org.opencontainers.image.revision": "4f2a".repeat(10)
    },
    layers: [
      first,
      ...[4_000_000, 150_000, 900].map((size) => ({
        mediaType: MediaType.layerGzip,
        bytes: gzipSync(Buffer.from(Array.from({ length: size }, (_, at) => (at * 2654435761) >>> 24)), { level: 1 })
      }))
    ],
    config: {
      created: "2026-10-05T10:11:12Z",
      os: "linux",
      architecture: "amd64",
      config: {
        Entrypoint: ["/usr/bin/gateway"],
        Cmd: ["--config", "/etc/gateway/config.yaml", "--listen", "0.0.0.0:8080"],
        Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NODE_VERSION=22.11.0"],
        Labels: { maintainer: "Payments <payments@example.com>" },
        ExposedPorts: { "8080/tcp": {} },
        User: "65532:65532",
        WorkingDir: "/srv/app"
      },
      history: [
        { created_by: "/bin/sh -c #(nop) ADD file:4f2a6b0c1d3e in / " },
        { created_by: "ENV NODE_VERSION=22.11.0", empty_layer: true },
        {
          created_by:
            "RUN /bin/sh -c apt-get update && apt-get install --yes --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/* # buildkit",
          comment: "buildkit.dockerfile.v0"
        },
        { created_by: "COPY --chown=65532:65532 dist /srv/app # buildkit", comment: "buildkit.dockerfile.v0" },
        { created_by: "RUN /bin/sh -c chmod +x /usr/bin/gateway # buildkit" }
      ]
    }
  })
)

const packages = Array.from({ length: 40 }, (_, at) => ({
  name: `library-${at}`,
  versionInfo: `1.${at}.0`,
  licenseDeclared: at % 3 === 0 ? "Apache-2.0" : "MIT"
}))

/** What the rules of axe find, each with the first elements. */
const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run())
  return violations.map(({ id, nodes }) =>
    `${id}: ${nodes.slice(0, 3).map(({ failureSummary, html }) => `${html} ${failureSummary ?? ""}`).join("\n")}`
  )
}

describe.runIf(hasBrowser)("the page", () => {
  setup()

  for (const { dark, width } of [{ width: 1200, dark: false }, { width: 360, dark: true }]) {
    it.scopedLive(
      `is accessible by the rules of axe, and not wider than a screen of ${width} pixels in any view`,
      () =>
        Effect.gen(function*() {
          const { origin, registry } = yield* serve()
          const content = yield* image
          const names = ["v1.9.0", "v1.10.0", "v2.0.0-rc.1", "latest", `branch-${"x".repeat(100)}`]
          const { digest, mediaType, size } = yield* push(
            registry,
            app,
            content,
            ...names.map((name) => Tag.make(name))
          )
          yield* push(registry, app, { ...content, layers: content.layers.slice(0, 3) }, Tag.make("v2.0.0"))
          yield* push(registry, long, content, Tag.make("v1"))
          for (const name of ["team/one", "team/two", "alone"]) {
            yield* push(registry, RepositoryName.make(name), content, Tag.make("v1"))
          }
          yield* push(registry, app, {
            artifactType: "application/spdx+json",
            subject: { digest, mediaType, size },
            layers: [{ mediaType: "application/spdx+json", bytes: encode({ spdxVersion: "SPDX-2.3", packages }) }]
          })
          const { act, problems } = yield* visit(origin, { width, dark, origins: [origin] })
          const look = (name: string) =>
            act(async (page) => {
              await page.waitForTimeout(300)
              const wider = await page.evaluate(() =>
                document.documentElement.scrollWidth - document.documentElement.clientWidth
              )
              expect(`${name}: ${wider}`).toBe(`${name}: 0`)
              for (const colorScheme of ["light", "dark"] as const) {
                await page.emulateMedia({ colorScheme })
                expect(await violations(page)).toEqual([])
              }
              await page.emulateMedia({ colorScheme: dark ? "dark" : "light" })
              if (pictures === undefined) return
              mkdirSync(pictures, { recursive: true })
              await page.screenshot({ path: join(pictures, `${name}-${width}.png`), fullPage: true })
            })
          yield* act((page) => page.getByText("5 repositories", { exact: true }).waitFor())
          yield* look("repositories")
          yield* act((page) => page.goto(`${origin}/#/${long}`))
          yield* act((page) => page.getByRole("link", { name: "v1" }).waitFor())
          yield* look("long")
          yield* act((page) => page.goto(`${origin}/#/${app}`))
          yield* act((page) => page.getByText(/^same as/).first().waitFor())
          yield* look("tags")
          yield* act((page) => page.getByLabel("Order").selectOption("newest"))
          yield* act((page) => page.getByText("2026").first().waitFor())
          yield* look("newest")
          yield* act((page) =>
            page.locator("input[type=file]").setInputFiles([{
              name: "notes.md",
              mimeType: "",
              buffer: Buffer.alloc(70)
            }])
          )
          yield* look("upload")
          yield* act((page) => page.goto(`${origin}/#/${app}:latest`))
          yield* act((page) => page.getByText("Entry point").waitFor())
          yield* act((page) => page.getByText(/^application\/spdx\+json/).click())
          yield* act((page) => page.getByText("library-39").waitFor())
          yield* look("manifest")
          yield* act((page) => page.getByText("Delete", { exact: true }).click())
          yield* act((page) => page.getByText("Add a tag", { exact: true }).click())
          yield* act((page) => page.getByText(/^Deletes the manifest/).waitFor())
          yield* look("changes")
          yield* act((page) => page.getByRole("link", { name: "Files of layer 1" }).click())
          yield* act((page) => page.getByRole("link", { name: "srv/" }).waitFor())
          yield* look("layer")
          yield* act((page) => page.getByRole("link", { name: "etc/" }).click())
          yield* act((page) => page.getByRole("link", { name: "os-release" }).click())
          yield* act((page) => page.getByText("Example Linux").waitFor())
          yield* look("file")
          yield* act((page) => page.goto(`${origin}/#/${app}:latest?compare=v2.0.0`))
          yield* act((page) => page.getByText("Only before").waitFor())
          yield* look("compare")
          yield* act((page) => page.goto(`${origin}/#/${app}:missing`))
          yield* act((page) => page.getByText("The repository has no such tag or manifest.").waitFor())
          yield* look("missing")
          yield* act((page) => page.getByRole("button", { name: "Log in" }).click())
          yield* look("login")
          expect(problems).toEqual([])
        }),
      120_000
    )
  }
})
