import { MediaType, RepositoryName, Tag } from "@effect-oci/core"
import * as NodeScripted from "@effect-oci/testing/NodeScripted"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { packTar } from "modern-tar"
import { gzipSync } from "node:zlib"
import type { Page } from "playwright-core"
import { hasBrowser, serve, setup, visit } from "./browser.js"
import { encode, push } from "./images.js"
import type { Image } from "./images.js"

const app = RepositoryName.make("team/app")
const v1 = Tag.make("v1")

const override = "\u202E"
const markup = `"><img src=x onerror="alert(1)"><script>alert(2)</script><svg onload=alert(3)>`
const attacks = [
  markup,
  "javascript:alert(4)",
  "data:text/html,<script>alert(5)</script>",
  "https://user:password@evil.example/",
  `invoice${override}gnp.exe`,
  "zero\u200Bwidth\u0000null\u001B[31mcolour",
  "x".repeat(20_000),
  "Z\u0300".repeat(1) + "\u0301".repeat(5000),
  "{{constructor.constructor('alert(6)')()}}"
]

const texts = Object.fromEntries(
  attacks.flatMap((attack, at) => [[`name ${at}`, attack], [attack.slice(0, 2000), "value"]])
)

const vnode = {
  type: "img",
  props: { src: "x", onerror: "alert(7)" },
  key: null,
  ref: null,
  constructor: undefined,
  __v: 1
}

const layer = Effect.promise(async () => ({
  mediaType: MediaType.layerGzip,
  bytes: gzipSync(
    await packTar([
      ...attacks.map((attack) => ({
        header: { name: `folder/${attack.slice(0, 3000).replaceAll("\u0000", "")}`, size: 3, type: "file" as const },
        body: "abc"
      })),
      { header: { name: "../../etc/passwd", size: 4, type: "file" as const }, body: "root" },
      { header: { name: "/absolute", size: 0, type: "symlink" as const, linkname: "javascript:alert(8)" } },
      { header: { name: "page.html", size: markup.length, type: "file" as const }, body: markup }
    ])
  )
}))

const hostile: Effect.Effect<Image> = Effect.map(layer, (layer) => ({
  annotations: { ...texts, "org.opencontainers.image.created": markup },
  layers: [layer],
  config: {
    os: markup,
    architecture: vnode,
    created: vnode,
    author: vnode,
    config: {
      Entrypoint: [...attacks, vnode, 1, null],
      Env: attacks,
      Labels: { ...texts, vnode },
      User: vnode,
      Volumes: texts
    },
    history: [{ created_by: markup, comment: `${override}${markup}`, created: 5 }, null, "text"]
  }
}))

/** Opens every part of a view, also those within others. */
const openAll = async (page: Page) => {
  for (let depth = 0; depth < 4; depth++) {
    await page.evaluate(() => {
      for (const details of document.querySelectorAll("main details")) (details as HTMLDetailsElement).open = true
    })
    await page.waitForTimeout(400)
  }
}

/** Nothing of the registry became a part of the page, and no text is wider than the page. */
const check = async (page: Page) => {
  const found = await page.evaluate(() => ({
    foreign: document.querySelectorAll("main img, main script, main svg, main iframe, main object").length,
    handlers:
      [...document.querySelectorAll("main *")].filter((element) =>
        [...element.attributes].some(({ name }) => name.startsWith("on"))
      ).length,
    links: [...document.querySelectorAll("main a")].map((link) => (link as HTMLAnchorElement).protocol),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    invisible: /[\u202A-\u202E\u2066-\u2069\u200B]/.test(document.body.innerText)
  }))
  expect(found.foreign).toBe(0)
  expect(found.handlers).toBe(0)
  expect(found.links.filter((protocol) => !/^https?:$/.test(protocol))).toEqual([])
  expect(found.overflow).toBeLessThanOrEqual(0)
  expect(found.invisible).toBe(false)
}

describe.runIf(hasBrowser)("a malicious registry", () => {
  setup()

  for (const width of [1100, 360]) {
    it.scopedLive(
      `cannot run a script or widen the page by names, labels and files, ${width} pixels wide (T69, T70)`,
      () =>
        Effect.gen(function*() {
          const { origin, registry } = yield* serve({ connect: "*" })
          const image = yield* push(registry, app, yield* hostile, v1)
          for (
            const value of [{ ...texts, vnode, nested: { vnode } }, {
              spdxVersion: markup,
              packages: attacks.map((name) => ({ name, versionInfo: name }))
            }]
          ) {
            yield* push(registry, app, {
              artifactType: "application/spdx+json",
              subject: image,
              annotations: texts,
              layers: [{
                mediaType: "application/spdx+json",
                bytes: encode(value),
                annotations: { "org.opencontainers.image.title": markup }
              }]
            })
          }
          const { act, problems } = yield* visit(`${origin}/#/team/app:v1`, { width, origins: [origin] })
          yield* act(async (page) => {
            await page.getByText("Entry point").waitFor()
            await page.getByText("U+202E").first().waitFor()
            await openAll(page)
            await page.getByRole("row", { name: /onerror/ }).first().waitFor()
            await openAll(page)
            await check(page)
            await page.getByRole("link", { name: "Files of layer 1" }).click()
            await page.getByRole("link", { name: "folder/" }).click()
            await page.getByRole("link", { name: /onerror/ }).waitFor()
            await check(page)
            await page.goto(`${origin}/#/team/app`)
            await page.getByRole("link", { name: "v1" }).click()
            await page.getByRole("link", { name: "Files of layer 1" }).click()
            await page.getByRole("link", { name: "page.html" }).click()
            await page.getByText("<script>alert(2)</script>").waitFor()
            await check(page)
            await page.goto(`${origin}/#/team/app:v1?compare=${encodeURIComponent(markup)}`)
            await page.waitForTimeout(500)
            await page.goto(`${origin}/#/${encodeURIComponent(markup)}`)
            await page.getByText("This address leads nowhere.").waitFor()
            await check(page)
            expect(new URL(page.url()).origin).toBe(origin)
          })
          expect(problems).toEqual([])
        }),
      60_000
    )
  }

  it.scopedLive(
    "cannot stop the page with a layer that expands to gigabytes, and the user can stop reading it (T73)",
    () =>
      Effect.gen(function*() {
        const { origin, registry } = yield* serve()
        const zeros = Buffer.alloc(1024 * 1024)
        const head = Buffer.from(
          yield* Effect.promise(() => packTar([{ header: { name: "zeros", size: 0, type: "file" }, body: "" }]))
        )
          .subarray(0, 512)
        // The size of 7 GiB, with its checksum.
        head.write("70000000000\0", 124, "latin1")
        head.fill(32, 148, 156)
        head.write(`${head.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `, 148, "latin1")
        // Each member of gzip is 1 MiB of zeros.
        const member = gzipSync(zeros, { level: 9 })
        const bytes = Buffer.concat([gzipSync(head), ...Array.from({ length: 4096 }, () => member)])
        yield* push(registry, app, { layers: [{ mediaType: MediaType.layerGzip, bytes }], config: {} }, v1)
        const { act, problems } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
        yield* act(async (page) => {
          await page.getByRole("link", { name: "Files of layer 1" }).click()
          await page.getByRole("button", { name: "Stop" }).waitFor()
          const longest = await page.evaluate(() =>
            new Promise<number>((resolve) => {
              let last = performance.now()
              let most = 0
              const timer = setInterval(() => {
                most = Math.max(most, performance.now() - last)
                last = performance.now()
              }, 10)
              setTimeout(() => {
                clearInterval(timer)
                resolve(most)
              }, 3000)
            })
          )
          expect(longest).toBeLessThan(1000)
          await page.getByRole("button", { name: "Stop" }).click()
          await page.getByText("Stopped.").waitFor()
        })
        expect(problems).toEqual([])
      }),
    60_000
  )

  it.scopedLive(
    "cannot make the page read without end: a list whose pages never end, and JSON that is deep or large (T73)",
    () =>
      Effect.gen(function*() {
        let pages = 0
        const evil = yield* NodeScripted.serve((request) => {
          const headers = { "access-control-allow-origin": "*", "access-control-expose-headers": "link" }
          if (request.target.startsWith("/v2/_catalog")) {
            pages++
            return {
              status: 200,
              headers: {
                ...headers,
                "content-type": "application/json",
                link: `</v2/_catalog?last=r${pages}&n=1000>; rel="next"`
              },
              body: JSON.stringify({
                repositories: Array.from(
                  { length: 1000 },
                  (_, at) => `p${String(pages).padStart(8, "0")}/r${String(at).padStart(4, "0")}`
                )
              })
            }
          }
          return { status: 404, headers, body: "" }
        })
        const { origin, registry } = yield* serve({ connect: "*" })
        yield* push(registry, app, {
          layers: [
            { mediaType: "application/json", bytes: encode(`${"[".repeat(200_000)}${"]".repeat(200_000)}`) },
            {
              mediaType: "application/json",
              bytes: encode(JSON.stringify(Array.from({ length: 500_000 }, (_, at) => at)))
            },
            { mediaType: "text/plain", bytes: encode("x".repeat(20_000_000)) }
          ]
        }, v1)
        const { act, problems } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin, evil.origin] })
        yield* act(async (page) => {
          await page.getByText(/^Show application\/json/).first().waitFor()
          await openAll(page)
          await page.getByText(/^499,\d00 more$/).waitFor()
          expect(await page.locator("main *").count()).toBeLessThan(8000)
          await page.goto(`${origin}/#${evil.origin}/`)
          await page.getByText("100,000 repositories, and there are more").waitFor({ timeout: 30_000 })
          expect(pages).toBeLessThanOrEqual(110)
        })
        expect(problems).toEqual([])
      }),
    60_000
  )

  it.scopedLive("cannot get the credentials of another registry, nor make the page leave its address (T71)", () =>
    Effect.gen(function*() {
      const received: Array<string> = []
      const evil = yield* NodeScripted.serve((request) => {
        for (const name of ["authorization", "cookie", "referer"]) {
          if (request.headers[name] !== undefined) received.push(`${name}: ${String(request.headers[name])}`)
        }
        const headers = {
          "access-control-allow-origin": "*",
          "access-control-expose-headers": "www-authenticate, link",
          "access-control-allow-headers": "*",
          "set-cookie": "a=b; SameSite=None"
        }
        if (request.target.startsWith("/v2/team/app/tags")) {
          return {
            status: 200,
            headers: { ...headers, refresh: "0; url=https://evil.example/", "content-type": "application/json" },
            body: `{"tags":["v1"]}`
          }
        }
        return {
          status: 401,
          headers: {
            ...headers,
            "www-authenticate": `Bearer realm="http://${request.headers["host"]}/token",service="x"`
          },
          body: ""
        }
      })
      const { origin } = yield* serve({ connect: "*" })
      const { act, page, problems } = yield* visit(`${origin}/#/`, { origins: [origin, evil.origin] })
      yield* act(async (page) => {
        await page.goto(`${origin}/#${evil.origin}/team/app`)
        await page.getByRole("link", { name: "v1" }).waitFor()
        await page.waitForTimeout(1000)
        await page.goto(`${origin}/#${evil.origin}/`)
        await page.getByText("The registry wants to know who you are.").waitFor()
        // The browser fills in a kept password only where it may be for the page's own registry.
        const password = page.locator("main form.login input[type=password]")
        expect(await password.getAttribute("autocomplete")).toBe("new-password")
      })
      expect(new URL(page.url()).origin).toBe(origin)
      expect(received.filter((header) => !header.startsWith("referer: "))).toEqual([])
      expect(received).toEqual([])
      expect(problems).toEqual([])
    }))

  it.scopedLive("cannot show the page within its own page (T72)", () =>
    Effect.gen(function*() {
      const { origin } = yield* serve()
      const evil = yield* NodeScripted.serve(() => ({
        status: 200,
        headers: { "content-type": "text/html" },
        body: `<iframe src="${origin}/"></iframe>`
      }))
      const { act, page, problems } = yield* visit("about:blank", { origins: [origin, evil.origin] })
      yield* act(async (page) => {
        const refused = page.waitForEvent("console", (message) => message.text().includes("frame-ancestors"))
        await page.goto(evil.origin)
        await refused
      })
      expect(page.frames().filter((frame) => frame.url().startsWith(origin))).toEqual([])
      expect(problems.filter((problem) => !problem.includes("frame-ancestors"))).toEqual([])
    }))
})
