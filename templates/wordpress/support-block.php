<?php
/**
 * Plugin Name: {{ header }}
 * Description: {{ description }}
 * Version: {{ version }}
 * Requires at least: 5.8
 * Requires PHP: 7.4
 * Text Domain: support-block
 *
 * Written by `support-service snippet --wordpress`: write it anew when ways to give change. The numbers below are
 * what feeds and readers without a script see; the script shows what the service says now.
 */

defined( 'ABSPATH' ) || exit;

const SUPPORT_BLOCK_URL     = {{ php(url) }};
const SUPPORT_BLOCK_LAYOUTS = array( {% for one in layouts %}{{ php(one) }}, {% endfor %} );
const SUPPORT_BLOCK_TONES   = array( '', 'soft', 'hide' );
const SUPPORT_BLOCK_META    = 'support_block_tone';
const SUPPORT_BLOCK_OPTION  = 'support_block';
const SUPPORT_BLOCK_TITLE_CHARS = {{ title_chars }};

/** The HTML of the block by language and layout; SUPPORT_ARTICLE and SUPPORT_TITLE stand for the article. */
const SUPPORT_BLOCK_HTML = array(
{% for lang, by_layout in blocks.items() %}
	{{ php(lang) }} => array(
{% for layout, html in by_layout.items() %}
		{{ php(layout) }} => {{ php(html) }},
{% endfor %}
	),
{% endfor %}
);

/** What staff read in WordPress, by language. */
const SUPPORT_BLOCK_TEXTS = array(
{% for lang, texts in spoken.items() %}
	{{ php(lang) }} => array(
{% for key, text in texts.items() %}
		{{ php(key) }} => {{ php(text) }},
{% endfor %}
	),
{% endfor %}
);

/** Says a text in the language of whoever works in WordPress. */
function support_block_say( $key ) {
	$lang = substr( get_user_locale(), 0, 2 );
	$texts = SUPPORT_BLOCK_TEXTS[ $lang ] ?? SUPPORT_BLOCK_TEXTS['en'];
	return $texts[ $key ];
}

/** Reads the settings, each within its bounds whatever the database holds. */
function support_block_settings( $raw = null ) {
	$raw = null === $raw ? get_option( SUPPORT_BLOCK_OPTION, array() ) : $raw;
	$raw = is_array( $raw ) ? $raw : array();
	$layout = isset( $raw['layout'] ) && is_string( $raw['layout'] ) ? $raw['layout'] : '';
	$without = isset( $raw['without'] ) && is_array( $raw['without'] ) ? $raw['without'] : array();
	return array(
		'everywhere' => ! empty( $raw['everywhere'] ),
		'layout'     => in_array( $layout, SUPPORT_BLOCK_LAYOUTS, true ) ? $layout : SUPPORT_BLOCK_LAYOUTS[0],
		'without'    => array_values( array_filter( array_map( 'absint', array_filter( $without, 'is_scalar' ) ) ) ),
	);
}

/** Tells how a story wants to be treated: '' as any, 'soft' by numbers alone, 'hide' by nothing. */
function support_block_tone( $post_id ) {
	return support_block_known_tone( get_post_meta( $post_id, SUPPORT_BLOCK_META, true ) );
}

function support_block_known_tone( $tone ) {
	return in_array( $tone, SUPPORT_BLOCK_TONES, true ) ? $tone : '';
}

/** Writes the block of one article. Its HTML came with this file; address and title go in percent-encoded. */
function support_block_html( $post_id, $layout = '', $lang = '' ) {
	$tone = support_block_tone( $post_id );
	if ( 'hide' === $tone ) {
		return '';
	}
	$lang   = isset( SUPPORT_BLOCK_HTML[ $lang ] ) ? $lang : substr( get_locale(), 0, 2 );
	$blocks = SUPPORT_BLOCK_HTML[ $lang ] ?? support_block_first_language();
	$layout = in_array( $layout, SUPPORT_BLOCK_LAYOUTS, true ) ? $layout : support_block_settings()['layout'];
	$title  = html_entity_decode( wp_strip_all_tags( get_the_title( $post_id ) ), ENT_QUOTES | ENT_HTML5, 'UTF-8' );
	$title  = mb_substr( $title, 0, SUPPORT_BLOCK_TITLE_CHARS );
	if ( ! is_feed() ) {
		wp_enqueue_script( 'support-block' );
	}
	$link = (string) get_permalink( $post_id );
	$html = str_replace(
		array( 'SUPPORT_ARTICLE', 'SUPPORT_TITLE' ),
		array( rawurlencode( $link ), rawurlencode( $title ) ),
		$blocks[ 'soft' === $tone ? 'soft' : $layout ]
	);
	// The script reads the same from the element itself.
	$named = sprintf( ' article="%s" article-title="%s"', esc_url( $link ), esc_attr( $title ) );
	return substr_replace( $html, $named, strlen( '<support-block' ), 0 );
}

/** The blocks of the first language of the service, for a site in any other. */
function support_block_first_language() {
	$all = SUPPORT_BLOCK_HTML;
	return reset( $all );
}

function support_block_of( $attributes ) {
	$attributes = is_array( $attributes ) ? $attributes : array();
	$layout = $attributes['layout'] ?? '';
	$lang   = $attributes['lang'] ?? '';
	return support_block_html( get_the_ID(), is_string( $layout ) ? $layout : '', is_string( $lang ) ? $lang : '' );
}

add_action(
	'init',
	function () {
		// One script of the service, asked for only by pages that hold a block.
		wp_register_script( 'support-block', SUPPORT_BLOCK_URL . '/widget.js', array(), null, true );
		add_shortcode( 'support_block', 'support_block_of' );

		$needed = array( 'wp-blocks', 'wp-element', 'wp-block-editor', 'wp-components', 'wp-server-side-render' );
		wp_register_script( 'support-block-editor', '', $needed, null, true );
		$told = array(
			'title'   => support_block_say( 'block' ),
			'layout'  => support_block_say( 'layout' ),
			'layouts' => SUPPORT_BLOCK_LAYOUTS,
		);
		wp_add_inline_script(
			'support-block-editor',
			'((wp, told) => {
				const make = wp.element.createElement, editor = wp.blockEditor;
				const options = told.layouts.map((name) => ({ label: name, value: name }));
				wp.blocks.registerBlockType("support-block/block", {
					apiVersion: 2, title: told.title, icon: "heart", category: "widgets",
					attributes: { layout: { type: "string", default: told.layouts[0] } },
					edit: (props) => make("div", editor.useBlockProps(),
						make(editor.InspectorControls, {}, make(wp.components.PanelBody, { title: told.title },
							make(wp.components.SelectControl, { label: told.layout, value: props.attributes.layout, options,
								onChange: (layout) => props.setAttributes({ layout }) }))),
						make(wp.serverSideRender, { block: "support-block/block", attributes: props.attributes })),
					save: () => null,
				});
			})(window.wp, ' . wp_json_encode( $told, JSON_HEX_TAG | JSON_HEX_AMP ) . ');'
		);
		register_block_type(
			'support-block/block',
			array(
				'api_version'     => 2,
				'editor_script'   => 'support-block-editor',
				'render_callback' => 'support_block_of',
				'attributes'      => array( 'layout' => array( 'type' => 'string', 'default' => SUPPORT_BLOCK_LAYOUTS[0] ) ),
			)
		);
	}
);

add_filter(
	'script_loader_tag',
	function ( $tag, $handle ) {
		return 'support-block' === $handle ? str_replace( '<script ', '<script async ', $tag ) : $tag;
	},
	10,
	2
);

/* Under every article, but not in the categories that are left out, and never twice. */
add_filter(
	'the_content',
	function ( $content ) {
		$settings = support_block_settings();
		$is_place = is_singular( 'post' ) && in_the_loop() && is_main_query() && ! post_password_required();
		if ( ! $settings['everywhere'] || ! $is_place || false !== strpos( $content, '<support-block' ) ) {
			return $content;
		}
		if ( $settings['without'] && has_category( $settings['without'] ) ) {
			return $content;
		}
		return $content . support_block_html( get_the_ID() );
	},
	// After shortcodes and blocks are written out, and after what WordPress makes of lines.
	20
);

/* A story that asks for tact says so in its head, to the block of this plugin and to any other of ours. */
add_action(
	'wp_head',
	function () {
		$tone = is_singular() ? support_block_tone( get_queried_object_id() ) : '';
		if ( '' !== $tone ) {
			printf( '<meta name="support-block" content="%s">' . "\n", esc_attr( $tone ) );
		}
	}
);

add_action(
	'add_meta_boxes',
	function () {
		add_meta_box( 'support-block', support_block_say( 'block' ), 'support_block_box', array( 'post', 'page' ), 'side' );
	}
);

function support_block_box( $post ) {
	wp_nonce_field( 'support-block-tone', 'support_block_nonce' );
	printf( '<p><label for="support-block-tone">%s</label></p>', esc_html( support_block_say( 'story' ) ) );
	echo '<select id="support-block-tone" name="support_block_tone">';
	foreach ( array( '' => 'as_any', 'soft' => 'soft', 'hide' => 'hide' ) as $tone => $words ) {
		printf(
			'<option value="%s"%s>%s</option>',
			esc_attr( $tone ),
			selected( support_block_tone( $post->ID ), $tone, false ),
			esc_html( support_block_say( $words ) )
		);
	}
	echo '</select>';
}

add_action(
	'save_post',
	function ( $post_id ) {
		$nonce = isset( $_POST['support_block_nonce'] ) ? sanitize_text_field( wp_unslash( $_POST['support_block_nonce'] ) ) : '';
		if ( ! wp_verify_nonce( $nonce, 'support-block-tone' ) || ! current_user_can( 'edit_post', $post_id ) ) {
			return;
		}
		if ( wp_is_post_revision( $post_id ) || ( defined( 'DOING_AUTOSAVE' ) && DOING_AUTOSAVE ) ) {
			return;
		}
		$told = isset( $_POST['support_block_tone'] ) ? sanitize_key( wp_unslash( $_POST['support_block_tone'] ) ) : '';
		$tone = support_block_known_tone( $told );
		if ( '' === $tone ) {
			delete_post_meta( $post_id, SUPPORT_BLOCK_META );
		} else {
			update_post_meta( $post_id, SUPPORT_BLOCK_META, $tone );
		}
	}
);

add_action(
	'admin_init',
	function () {
		// options.php checks the nonce and the capability before it calls this.
		register_setting( 'support_block', SUPPORT_BLOCK_OPTION, array( 'sanitize_callback' => 'support_block_settings' ) );
	}
);

add_action(
	'admin_menu',
	function () {
		$title = support_block_say( 'block' );
		add_options_page( $title, $title, 'manage_options', 'support-block', 'support_block_page' );
	}
);

function support_block_page() {
	if ( ! current_user_can( 'manage_options' ) ) {
		return;
	}
	$settings = support_block_settings();
	$option   = SUPPORT_BLOCK_OPTION;
	echo '<div class="wrap"><h1>' . esc_html( support_block_say( 'block' ) ) . '</h1><form method="post" action="options.php">';
	settings_fields( 'support_block' );
	printf(
		'<p><label><input type="checkbox" name="%s[everywhere]" value="1"%s> %s</label></p>',
		esc_attr( $option ),
		checked( $settings['everywhere'], true, false ),
		esc_html( support_block_say( 'everywhere' ) )
	);
	printf( '<p><label>%s <select name="%s[layout]">', esc_html( support_block_say( 'layout' ) ), esc_attr( $option ) );
	foreach ( SUPPORT_BLOCK_LAYOUTS as $layout ) {
		printf( '<option%s>%s</option>', selected( $settings['layout'], $layout, false ), esc_html( $layout ) );
	}
	echo '</select></label></p><fieldset><legend>' . esc_html( support_block_say( 'without' ) ) . '</legend>';
	foreach ( get_categories( array( 'hide_empty' => false ) ) as $category ) {
		printf(
			'<p><label><input type="checkbox" name="%s[without][]" value="%d"%s> %s</label></p>',
			esc_attr( $option ),
			absint( $category->term_id ),
			checked( in_array( (int) $category->term_id, $settings['without'], true ), true, false ),
			esc_html( $category->name )
		);
	}
	echo '</fieldset><p>' . esc_html( support_block_say( 'how' ) ) . ' <code>[support_block]</code></p>';
	submit_button();
	echo '</form></div>';
}
