import { defineConfig } from "vitepress"
import { slugOf } from "../markdown.mjs"
import { modules, navigation } from "../pages.mjs"

const repository = "https://github.com/effect-oci/effect-oci"

/** @param {string} route */
const link = (route) => `/${route.replace(/(^|\/)index$/, "$1")}`

const chapters = navigation.map(({ chapter, pages }) => ({
  text: chapter,
  collapsed: chapter === "Packages",
  items: pages.map(({ label, route }) => ({ text: label, link: link(route) }))
}))

const api = [
  { text: "All modules", link: "/api/" },
  ...modules.filter((each) => each.modules.length > 0).map(({ modules, workspace }) => ({
    text: workspace.name,
    collapsed: true,
    items: modules.map(({ name, route }) => ({ text: name, link: link(route) }))
  }))
]

export default defineConfig({
  title: "effect-oci",
  description: "Composable middleware for OCI registries, in TypeScript on Effect",
  base: process.env.SITE_BASE ?? "/",
  srcDir: "pages",
  outDir: "dist",
  cleanUrls: true,
  head: [["link", { rel: "icon", href: "data:," }]],
  markdown: {
    html: false,
    anchor: { slugify: slugOf },
    theme: { light: "github-light-high-contrast", dark: "github-dark" }
  },
  themeConfig: {
    siteTitle: "effect-oci",
    nav: [
      { text: "Tutorial", link: "/tutorial" },
      { text: "Wrappers", link: "/packages/middleware" },
      { text: "Packages", link: "/packages/" },
      { text: "Examples", link: "/examples/" },
      { text: "API", link: "/api/" }
    ],
    sidebar: { "/api/": api, "/": chapters },
    outline: { level: [2, 3] },
    socialLinks: [{ icon: "github", link: repository }],
    editLink: {
      // This function runs in the browser: it can use nothing from outside of itself.
      pattern: ({ frontmatter, filePath }) =>
        `https://github.com/effect-oci/effect-oci/${
          frontmatter.source === undefined
            ? `tree/main/packages/${filePath.split("/")[1] ?? ""}`
            : `edit/main/${frontmatter.source}`
        }`,
      text: "Edit this page"
    },
    search: { provider: "local" },
    footer: { message: "MIT licensed" }
  }
})
