"""Countries: ISO 3166-1 codes and the names people write.

A row is `alpha-2|alpha-3|names…`: English, Chinese (simplified, traditional), the official
languages of the country, and other usual names; an indented line continues the row.  XK (Kosovo) is
no ISO code but in general use.  Generated from CLDR with babel, the usual names added by hand.
"""

ROWS = """
AD|AND|Andorra|安道尔|安道爾
AE|ARE|United Arab Emirates|阿拉伯联合酋长国|阿拉伯聯合大公國|الإمارات العربية المتحدة|UAE|
  Emirates|阿联酋
AF|AFG|Afghanistan|阿富汗|افغانستان
AG|ATG|Antigua & Barbuda|安提瓜和巴布达|安地卡及巴布達|Antigua and Barbuda
AI|AIA|Anguilla|安圭拉|安奎拉
AL|ALB|Albania|阿尔巴尼亚|阿爾巴尼亞|Shqipëri
AM|ARM|Armenia|亚美尼亚|亞美尼亞|Հայաստան
AO|AGO|Angola|安哥拉
AQ|ATA|Antarctica|南极洲|南極洲
AR|ARG|Argentina|阿根廷
AS|ASM|American Samoa|美属萨摩亚|美屬薩摩亞
AT|AUT|Austria|奥地利|奧地利|Österreich
AU|AUS|Australia|澳大利亚|澳洲|Commonwealth of Australia
AW|ABW|Aruba|阿鲁巴|荷屬阿魯巴
AX|ALA|Åland Islands|奥兰群岛|奧蘭群島|Åland
AZ|AZE|Azerbaijan|阿塞拜疆|亞塞拜然|Azərbaycan|Азәрбајҹан
BA|BIH|Bosnia & Herzegovina|波斯尼亚和黑塞哥维那|波士尼亞與赫塞哥維納|Босна и Херцеговина|
  Bosna i Hercegovina|Bosnia|Bosnia and Herzegovina
BB|BRB|Barbados|巴巴多斯|巴貝多
BD|BGD|Bangladesh|孟加拉国|孟加拉|বাংলাদেশ
BE|BEL|Belgium|比利时|比利時|België|Belgique|Belgien
BF|BFA|Burkina Faso|布基纳法索|布吉納法索
BG|BGR|Bulgaria|保加利亚|保加利亞|България
BH|BHR|Bahrain|巴林|البحرين
BI|BDI|Burundi|布隆迪|蒲隆地|Uburundi
BJ|BEN|Benin|贝宁|貝南
BL|BLM|St. Barthélemy|圣巴泰勒米|聖巴瑟米|Saint-Barthélemy
BM|BMU|Bermuda|百慕大|百慕達
BN|BRN|Brunei|文莱|汶萊|بروني|Brunei Darussalam
BO|BOL|Bolivia|玻利维亚|玻利維亞|Bolivia Plurinational State of|Plurinational State of Bolivia
BQ|BES|Caribbean Netherlands|荷属加勒比区|荷蘭加勒比區|Caribisch Nederland|
  Bonaire Sint Eustatius and Saba
BR|BRA|Brazil|巴西|Brasil
BS|BHS|Bahamas|巴哈马|巴哈馬|The Bahamas
BT|BTN|Bhutan|不丹|འབྲུག
BV|BVT|Bouvet Island|布韦岛|布威島
BW|BWA|Botswana|博茨瓦纳|波札那
BY|BLR|Belarus|白俄罗斯|白俄羅斯|Беларусь
BZ|BLZ|Belize|伯利兹|貝里斯
CA|CAN|Canada|加拿大
CC|CCK|Cocos (Keeling) Islands|科科斯（基林）群岛|科克斯（基靈）群島|Cocos Islands
CD|COD|Congo - Kinshasa|刚果（金）|剛果（金夏沙）|DR Congo|Democratic Republic of the Congo|DRC|
  Congo The Democratic Republic of the|Congo Democratic Republic of the
CF|CAF|Central African Republic|中非共和国|中非共和國|Ködörösêse tî Bêafrîka|
  République centrafricaine
CG|COG|Congo - Brazzaville|刚果（布）|剛果（布拉薩）|Congo|Republic of the Congo
CH|CHE|Switzerland|瑞士|Schweiz|Schwiiz|Suisse|Svizzera|Swiss
CI|CIV|Côte d’Ivoire|科特迪瓦|象牙海岸|Ivory Coast
CK|COK|Cook Islands|库克群岛|庫克群島
CL|CHL|Chile|智利
CM|CMR|Cameroon|喀麦隆|喀麥隆|Cameroun
CN|CHN|China|中国|中國|PR China|P.R.C.|People's Republic of China|China Mainland|Mainland China|
  中华人民共和国|中国大陆
CO|COL|Colombia|哥伦比亚|哥倫比亞
CR|CRI|Costa Rica|哥斯达黎加|哥斯大黎加
CU|CUB|Cuba|古巴
CV|CPV|Cape Verde|佛得角|維德角|Cabo Verde
CW|CUW|Curaçao|库拉索|庫拉索|Kòrsou
CX|CXR|Christmas Island|圣诞岛|聖誕島
CY|CYP|Cyprus|塞浦路斯|賽普勒斯|Κύπρος|Kıbrıs
CZ|CZE|Czechia|捷克|Česko|Czech Republic|捷克共和国
DE|DEU|Germany|德国|德國|Deutschland|Federal Republic of Germany|BRD|Bundesrepublik Deutschland|
  德意志联邦共和国
DJ|DJI|Djibouti|吉布提|吉布地|جيبوتي
DK|DNK|Denmark|丹麦|丹麥|Danmark
DM|DMA|Dominica|多米尼克
DO|DOM|Dominican Republic|多米尼加共和国|多明尼加共和國|República Dominicana
DZ|DZA|Algeria|阿尔及利亚|阿爾及利亞|الجزائر|Algérie
EC|ECU|Ecuador|厄瓜多尔|厄瓜多
EE|EST|Estonia|爱沙尼亚|愛沙尼亞|Eesti
EG|EGY|Egypt|埃及|مصر
EH|ESH|Western Sahara|西撒哈拉|الصحراء الغربية
ER|ERI|Eritrea|厄立特里亚|厄利垂亞|ኤርትራ|إريتريا
ES|ESP|Spain|西班牙|España|Kingdom of Spain
ET|ETH|Ethiopia|埃塞俄比亚|衣索比亞|ኢትዮጵያ
FI|FIN|Finland|芬兰|芬蘭|Suomi
FJ|FJI|Fiji|斐济|斐濟
FK|FLK|Falkland Islands|福克兰群岛|福克蘭群島|Falkland Islands (Malvinas)
FM|FSM|Micronesia|密克罗尼西亚|密克羅尼西亞|Federated States of Micronesia|
  Micronesia Federated States of
FO|FRO|Faroe Islands|法罗群岛|法羅群島|Føroyar
FR|FRA|France|法国|法國|French Republic|法兰西
GA|GAB|Gabon|加蓬|加彭
GB|GBR|United Kingdom|英国|英國|UK|Great Britain|England|Scotland|Wales|Northern Ireland|
  Britain|United Kingdom of Great Britain and Northern Ireland|英格兰|大不列颠
GD|GRD|Grenada|格林纳达|格瑞那達
GE|GEO|Georgia|格鲁吉亚|喬治亞|საქართველო
GF|GUF|French Guiana|法属圭亚那|法屬圭亞那|Guyane française
GG|GGY|Guernsey|根西岛|根息
GH|GHA|Ghana|加纳|迦納
GI|GIB|Gibraltar|直布罗陀|直布羅陀
GL|GRL|Greenland|格陵兰|格陵蘭|Kalaallit Nunaat
GM|GMB|Gambia|冈比亚|甘比亞|The Gambia
GN|GIN|Guinea|几内亚|幾內亞|Guinée
GP|GLP|Guadeloupe|瓜德罗普|瓜地洛普
GQ|GNQ|Equatorial Guinea|赤道几内亚|赤道幾內亞|Guinea Ecuatorial|Guinée équatoriale|
  Guiné Equatorial
GR|GRC|Greece|希腊|希臘|Ελλάδα|Hellas|EL
GS|SGS|South Georgia & South Sandwich Islands|南乔治亚和南桑威奇群岛|南喬治亞與南三明治群島|
  South Georgia and the South Sandwich Islands|South Georgia and South Sandwich Islands
GT|GTM|Guatemala|危地马拉|瓜地馬拉
GU|GUM|Guam|关岛|關島
GW|GNB|Guinea-Bissau|几内亚比绍|幾內亞比索|Guiné-Bissau
GY|GUY|Guyana|圭亚那|蓋亞那
HK|HKG|Hong Kong SAR China|中国香港特别行政区|中國香港特別行政區|Hong Kong|Hong Kong SAR|香港|
  中国香港
HM|HMD|Heard & McDonald Islands|赫德岛和麦克唐纳群岛|赫德島及麥唐納群島|
  Heard Island and McDonald Islands|Heard and McDonald Islands
HN|HND|Honduras|洪都拉斯|宏都拉斯
HR|HRV|Croatia|克罗地亚|克羅埃西亞|Hrvatska
HT|HTI|Haiti|海地
HU|HUN|Hungary|匈牙利|Magyarország
ID|IDN|Indonesia|印度尼西亚|印尼|Republic of Indonesia
IE|IRL|Ireland|爱尔兰|愛爾蘭|Éire|Republic of Ireland
IL|ISR|Israel|以色列|ישראל|إسرائيل
IM|IMN|Isle of Man|马恩岛|曼島|Ellan Vannin
IN|IND|India|印度|भारत
IO|IOT|British Indian Ocean Territory|英属印度洋领地|英屬印度洋領地
IQ|IRQ|Iraq|伊拉克|العراق
IR|IRN|Iran|伊朗|ایران|Islamic Republic of Iran|Iran Islamic Republic of
IS|ISL|Iceland|冰岛|冰島|Ísland
IT|ITA|Italy|意大利|義大利|Italia
JE|JEY|Jersey|泽西岛|澤西島
JM|JAM|Jamaica|牙买加|牙買加
JO|JOR|Jordan|约旦|約旦|الأردن
JP|JPN|Japan|日本
KE|KEN|Kenya|肯尼亚|肯亞
KG|KGZ|Kyrgyzstan|吉尔吉斯斯坦|吉爾吉斯|Кыргызстан|Киргизия
KH|KHM|Cambodia|柬埔寨|កម្ពុជា
KI|KIR|Kiribati|基里巴斯|吉里巴斯
KM|COM|Comoros|科摩罗|葛摩|جزر القمر|Comores
KN|KNA|St. Kitts & Nevis|圣基茨和尼维斯|聖克里斯多福及尼維斯|Saint Kitts and Nevis
KP|PRK|North Korea|朝鲜|北韓|북한|DPRK|Korea North|Democratic People's Republic of Korea|
  Korea Democratic People's Republic of
KR|KOR|South Korea|韩国|南韓|대한민국|Korea|Republic of Korea|Korea Republic of|Korea South|
  大韩民国|南韩|한국
KW|KWT|Kuwait|科威特|الكويت
KY|CYM|Cayman Islands|开曼群岛|開曼群島
KZ|KAZ|Kazakhstan|哈萨克斯坦|哈薩克|Казахстан|Қазақстан
LA|LAO|Laos|老挝|寮國|ລາວ|Lao|Lao People's Democratic Republic
LB|LBN|Lebanon|黎巴嫩|لبنان
LC|LCA|St. Lucia|圣卢西亚|聖露西亞|Saint Lucia
LI|LIE|Liechtenstein|列支敦士登|列支敦斯登|Liächteschtäi
LK|LKA|Sri Lanka|斯里兰卡|斯里蘭卡|ශ්‍රී ලංකාව|இலங்கை
LR|LBR|Liberia|利比里亚|賴比瑞亞
LS|LSO|Lesotho|莱索托|賴索托
LT|LTU|Lithuania|立陶宛|Lietuva
LU|LUX|Luxembourg|卢森堡|盧森堡|Lëtzebuerg|Luxemburg
LV|LVA|Latvia|拉脱维亚|拉脫維亞|Latvija
LY|LBY|Libya|利比亚|利比亞|ليبيا
MA|MAR|Morocco|摩洛哥|المغرب|Maroc|Meṛṛuk
MC|MCO|Monaco|摩纳哥|摩納哥
MD|MDA|Moldova|摩尔多瓦|摩爾多瓦|Republica Moldova|Republic of Moldova|Moldova Republic of
ME|MNE|Montenegro|黑山|蒙特內哥羅|Crna Gora
MF|MAF|St. Martin|法属圣马丁|法屬聖馬丁|Saint-Martin
MG|MDG|Madagascar|马达加斯加|馬達加斯加|Madagasikara
MH|MHL|Marshall Islands|马绍尔群岛|馬紹爾群島
MK|MKD|North Macedonia|北马其顿|北馬其頓|Северна Македонија|Macedonia|FYROM
ML|MLI|Mali|马里|馬利
MM|MMR|Myanmar (Burma)|缅甸|緬甸|မြန်မာ|Burma|Myanmar
MN|MNG|Mongolia|蒙古|Монгол
MO|MAC|Macao SAR China|中国澳门特别行政区|中國澳門特別行政區|Macau, RAE da China|Macau|Macao|
  Macao SAR|澳门|澳門|中国澳门
MP|MNP|Northern Mariana Islands|北马里亚纳群岛|北馬利安納群島
MQ|MTQ|Martinique|马提尼克|馬丁尼克
MR|MRT|Mauritania|毛里塔尼亚|茅利塔尼亞|موريتانيا
MS|MSR|Montserrat|蒙特塞拉特|蒙哲臘
MT|MLT|Malta|马耳他|馬爾他
MU|MUS|Mauritius|毛里求斯|模里西斯|Maurice
MV|MDV|Maldives|马尔代夫|馬爾地夫|ދިވެހި ރާއްޖެ
MW|MWI|Malawi|马拉维|馬拉威
MX|MEX|Mexico|墨西哥|Estados Unidos Mexicanos
MY|MYS|Malaysia|马来西亚|馬來西亞|马来西亚联邦|大马
MZ|MOZ|Mozambique|莫桑比克|莫三比克|Moçambique
NA|NAM|Namibia|纳米比亚|納米比亞
NC|NCL|New Caledonia|新喀里多尼亚|新喀里多尼亞|Nouvelle-Calédonie
NE|NER|Niger|尼日尔|尼日
NF|NFK|Norfolk Island|诺福克岛|諾福克島
NG|NGA|Nigeria|尼日利亚|奈及利亞|Nàìjíríà
NI|NIC|Nicaragua|尼加拉瓜
NL|NLD|Netherlands|荷兰|荷蘭|Nederland|Holland|The Netherlands|Niederlande|荷兰王国
NO|NOR|Norway|挪威|Norge|Noreg
NP|NPL|Nepal|尼泊尔|尼泊爾|नेपाल
NR|NRU|Nauru|瑙鲁|諾魯
NU|NIU|Niue|纽埃|紐埃島
NZ|NZL|New Zealand|新西兰|紐西蘭|Aotearoa|纽西兰
OM|OMN|Oman|阿曼|عُمان
PA|PAN|Panama|巴拿马|巴拿馬
PE|PER|Peru|秘鲁|秘魯
PF|PYF|French Polynesia|法属波利尼西亚|法屬玻里尼西亞|Polynésie française
PG|PNG|Papua New Guinea|巴布亚新几内亚|巴布亞紐幾內亞|Papua Niugini
PH|PHL|Philippines|菲律宾|菲律賓|Pilipinas|The Philippines
PK|PAK|Pakistan|巴基斯坦|پاکستان
PL|POL|Poland|波兰|波蘭|Polska
PM|SPM|St. Pierre & Miquelon|圣皮埃尔和密克隆群岛|聖皮埃與密克隆群島|Saint-Pierre-et-Miquelon|
  Saint Pierre and Miquelon
PN|PCN|Pitcairn Islands|皮特凯恩群岛|皮特肯群島
PR|PRI|Puerto Rico|波多黎各
PS|PSE|Palestinian Territories|巴勒斯坦领土|巴勒斯坦自治區|الأراضي الفلسطينية|Palestine|
  State of Palestine|Palestine State of
PT|PRT|Portugal|葡萄牙
PW|PLW|Palau|帕劳|帛琉
PY|PRY|Paraguay|巴拉圭|Paraguai
QA|QAT|Qatar|卡塔尔|卡達|قطر
RE|REU|Réunion|留尼汪|留尼旺|La Réunion
RO|ROU|Romania|罗马尼亚|羅馬尼亞
RS|SRB|Serbia|塞尔维亚|塞爾維亞|Srbija|Србија
RU|RUS|Russia|俄罗斯|俄羅斯|Россия|Russian Federation|俄国|俄罗斯联邦|РФ
RW|RWA|Rwanda|卢旺达|盧安達|U Rwanda
SA|SAU|Saudi Arabia|沙特阿拉伯|沙烏地阿拉伯|المملكة العربية السعودية|KSA|
  Kingdom of Saudi Arabia|沙特|沙特阿拉伯王国
SB|SLB|Solomon Islands|所罗门群岛|索羅門群島
SC|SYC|Seychelles|塞舌尔|塞席爾
SD|SDN|Sudan|苏丹|蘇丹|السودان
SE|SWE|Sweden|瑞典|Sverige
SG|SGP|Singapore|新加坡|Singapura|சிங்கப்பூர்
SH|SHN|St. Helena|圣赫勒拿|聖赫勒拿島|Saint Helena|Saint Helena Ascension and Tristan da Cunha
SI|SVN|Slovenia|斯洛文尼亚|斯洛維尼亞|Slovenija
SJ|SJM|Svalbard & Jan Mayen|斯瓦尔巴和扬马延|挪威屬斯瓦巴及尖棉|Svalbard og Jan Mayen|
  Svalbard and Jan Mayen
SK|SVK|Slovakia|斯洛伐克|Slovensko
SL|SLE|Sierra Leone|塞拉利昂|獅子山
SM|SMR|San Marino|圣马力诺|聖馬利諾
SN|SEN|Senegal|塞内加尔|塞內加爾|Senegaal
SO|SOM|Somalia|索马里|索馬利亞|Soomaaliya|الصومال
SR|SUR|Suriname|苏里南|蘇利南
SS|SSD|South Sudan|南苏丹|南蘇丹
ST|STP|São Tomé & Príncipe|圣多美和普林西比|聖多美普林西比|São Tomé e Príncipe|
  Sao Tome and Principe
SV|SLV|El Salvador|萨尔瓦多|薩爾瓦多
SX|SXM|Sint Maarten|荷属圣马丁|荷屬聖馬丁
SY|SYR|Syria|叙利亚|敘利亞|سوريا|Syrian Arab Republic
SZ|SWZ|Eswatini|斯威士兰|史瓦帝尼|Swaziland
TC|TCA|Turks & Caicos Islands|特克斯和凯科斯群岛|土克斯及開科斯群島|Turks and Caicos Islands
TD|TCD|Chad|乍得|查德|تشاد|Tchad
TF|ATF|French Southern Territories|法属南部领地|法屬南部屬地
TG|TGO|Togo|多哥
TH|THA|Thailand|泰国|泰國|ไทย
TJ|TJK|Tajikistan|塔吉克斯坦|塔吉克|Тоҷикистон
TK|TKL|Tokelau|托克劳|托克勞群島
TL|TLS|Timor-Leste|东帝汶|東帝汶|East Timor
TM|TKM|Turkmenistan|土库曼斯坦|土庫曼
TN|TUN|Tunisia|突尼斯|突尼西亞|تونس|Tunisie
TO|TON|Tonga|汤加|東加
TR|TUR|Türkiye|土耳其|Turkey
TT|TTO|Trinidad & Tobago|特立尼达和多巴哥|千里達及托巴哥|Trinidad|Trinidad and Tobago
TV|TUV|Tuvalu|图瓦卢|吐瓦魯
TW|TWN|Taiwan|台湾|台灣|Chinese Taipei|Taiwan Province of China|中国台湾|臺灣|台湾省|中国台湾省
TZ|TZA|Tanzania|坦桑尼亚|坦尚尼亞|United Republic of Tanzania|Tanzania United Republic of
UA|UKR|Ukraine|乌克兰|烏克蘭|Україна|Украина
UG|UGA|Uganda|乌干达|烏干達
UM|UMI|U.S. Outlying Islands|美国本土外小岛屿|美國本土外小島嶼
US|USA|United States|美国|美國|United States of America|U.S.|America|美利坚合众国|
  Vereinigte Staaten von Amerika|USA|Estados Unidos de América|Etats-Unis d'Amérique
UY|URY|Uruguay|乌拉圭|烏拉圭
UZ|UZB|Uzbekistan|乌兹别克斯坦|烏茲別克|Oʻzbekiston|Ўзбекистон
VA|VAT|Vatican City|梵蒂冈|梵蒂岡|Città del Vaticano|Vatican|Holy See|Vatican City State
VC|VCT|St. Vincent & Grenadines|圣文森特和格林纳丁斯|聖文森及格瑞那丁|
  Saint Vincent and the Grenadines|Saint Vincent and Grenadines
VE|VEN|Venezuela|委内瑞拉|委內瑞拉|Bolivarian Republic of Venezuela|
  Venezuela Bolivarian Republic of
VG|VGB|British Virgin Islands|英属维尔京群岛|英屬維京群島|Virgin Islands (British)
VI|VIR|U.S. Virgin Islands|美属维尔京群岛|美屬維京群島|Virgin Islands (U.S.)
VN|VNM|Vietnam|越南|Socialist Republic of Vietnam
VU|VUT|Vanuatu|瓦努阿图|萬那杜
WF|WLF|Wallis & Futuna|瓦利斯和富图纳|瓦利斯群島和富圖那群島|Wallis-et-Futuna|Wallis and Futuna
WS|WSM|Samoa|萨摩亚|薩摩亞
XK|XKX|Kosovo|科索沃|Kosovë|Косово
YE|YEM|Yemen|也门|葉門|اليمن
YT|MYT|Mayotte|马约特|馬約特島
ZA|ZAF|South Africa|南非
ZM|ZMB|Zambia|赞比亚|尚比亞
ZW|ZWE|Zimbabwe|津巴布韦|辛巴威
"""
